"""The growing end of a ledger: where the next record goes. Shared by every log, so that all number and link alike.

Not a store: a log stages batches, writes the rows, and only then settles. What was staged and not settled never was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.chain import START, Head
from ledger.envelope import SALT_BYTES, Actor, Draft, Sealer, Stored, Writer, decode_header
from ledger.errors import BlobMissing, NotCanonical, StaleEpoch, WrongVersion
from ledger.events import LedgerBodiesErased, LedgerCreated, LedgerEpochOpened
from ledger.log import DRAFTS_MAX, HOUSEKEEPING, Appended, Batch, Reader, Selection

_ERASED = str(LedgerBodiesErased.__struct_config__.tag)


def check_erasure(reader: Reader, positions: Sequence[int], batch: Batch) -> None:
    """Raise `NotCanonical` unless the batch records the erasure of just these positions, and they can be erased."""
    named = [p for draft in batch.drafts if isinstance(draft.event, LedgerBodiesErased) for p in draft.event.positions]
    if sorted(set(named)) != sorted(set(positions)):
        raise NotCanonical(_ERASED, "the positions that it names are not those that are to be erased")
    for seq in set(positions):
        found = next(iter(reader.read(Selection(after=seq - 1, until=seq))), None) if seq > 0 else None
        if found is None:
            raise NotCanonical(_ERASED, f"there is no record at position {seq}")
        if decode_header(found.header).type == _ERASED:
            raise NotCanonical(_ERASED, f"position {seq} is the record of an erasure: it has to stay")


class Tip:
    """Heads of a ledger and of its streams, and the current epoch."""

    def __init__(self, ledger: str, *, head: Head = START, epoch: int = 0) -> None:
        self.ledger = ledger
        self.head = head
        self.epoch = epoch
        #: heads of the streams that were asked for so far
        self.streams: dict[str, Head] = {}
        #: run and snapshot that a stream named last
        self.named: dict[str, tuple[str, str]] = {}


class Mention(NamedTuple):
    """Where a stream first names a run or a snapshot; it may have been noted before."""

    name: str
    stream: str
    ver: int


class Segment(NamedTuple):
    """Records of one stream that stand together: `records` of them, the first with version `ver` at position `seq`."""

    stream: str
    ver: int
    seq: int
    records: int


class Staging:
    """Batches on their way into one transaction."""

    def __init__(
        self,
        tip: Tip,
        *,
        replica: str,
        chance: Callable[[int], bytes],
        has_blob: Callable[[str], bool],
        stream_head: Callable[[str], Head],
    ) -> None:
        self._tip = tip
        self._replica = replica
        self._chance = chance
        self._has_blob = has_blob
        self._stream_head = stream_head
        self._head = tip.head
        self._epoch = tip.epoch
        self._streams: dict[str, Head] = {}
        self._named: dict[str, tuple[str, str]] = {}
        #: rows to write, in order
        self.rows: list[Stored] = []
        #: where they stand, batch by batch
        self.segments: list[Segment] = []
        #: what they name that the stream did not name just before
        self.mentions: list[Mention] = []

    @property
    def head(self) -> Head:
        """The ledger's head once the rows are written."""
        return self._head

    def genesis(self, *, at: str, software: str) -> None:
        """Stage the first record of a ledger."""
        draft = Draft(event=LedgerCreated(software=software))
        self._add(HOUSEKEEPING, START, (draft,), at=at)

    def open_epoch(self, *, actor: Actor, at: str, reason: str, software: str) -> int:
        """Stage a takeover and return the new epoch."""
        self._epoch += 1
        draft = Draft(event=LedgerEpochOpened(reason=reason, software=software), actor=actor)
        self._add(HOUSEKEEPING, self.stream(HOUSEKEEPING), (draft,), at=at)
        return self._epoch

    def add(self, batch: Batch) -> Appended:
        """Stage a batch. Raises `AppendRefused` or `BlobMissing` and stages nothing then."""
        if batch.epoch != self._epoch:
            raise StaleEpoch(given=batch.epoch, current=self._epoch)
        try:
            before = self.stream(batch.stream)
            missing = [blob for draft in batch.drafts for blob in draft.blobs if not self._has_blob(blob)]
        except UnicodeEncodeError as error:
            # A lone surrogate: a store that looks names up finds it before the envelope does.
            raise NotCanonical("batch", str(error)) from error
        if batch.expected != before.number:
            raise WrongVersion(batch.stream, expected=batch.expected, actual=before.number)
        if not batch.stream or not 0 < len(batch.drafts) <= DRAFTS_MAX:
            raise NotCanonical("batch", f"it names a stream and has 1 to {DRAFTS_MAX} drafts")
        if missing:
            raise BlobMissing(missing[0])
        return self._add(batch.stream, before, batch.drafts, at=batch.at)

    def settle(self) -> None:
        """The rows are durable: the tip moves."""
        self._tip.head = self._head
        self._tip.epoch = self._epoch
        self._tip.streams.update(self._streams)
        self._tip.named.update(self._named)

    def stream(self, name: str) -> Head:
        """Head of a stream, with what is staged."""
        known = self._streams.get(name) or self._tip.streams.get(name)
        if known is None:
            known = self._tip.streams[name] = self._stream_head(name)
        return known

    def _add(self, stream: str, before: Head, drafts: Sequence[Draft], *, at: str) -> Appended:
        writer = Writer(epoch=self._epoch, replica=self._replica)
        sealer = Sealer(ledger=self._tip.ledger, stream=stream, writer=writer, at=at)
        # Asking the kernel for chance costs more than sealing: once for the whole batch.
        chance = self._chance(SALT_BYTES * len(drafts))
        salts = [chance[start : start + SALT_BYTES] for start in range(0, len(chance), SALT_BYTES)]
        rows, mark = sealer.seal(drafts, gprev=self._head, prev=before, salts=salts)
        self._mention(stream, drafts, first=before.number + 1)
        self.segments.append(Segment(stream, before.number + 1, self._head.number + 1, len(rows)))
        self.rows += rows
        self._head = Head(self._head.number + len(rows), mark)
        end = self._streams[stream] = Head(before.number + len(rows), mark)
        return Appended(before.number + 1, end, self._head)

    def _mention(self, stream: str, drafts: Sequence[Draft], *, first: int) -> None:
        """Note where a draft names another run or snapshot than the one before it."""
        named = self._named.get(stream) or self._tip.named.get(stream, ("", ""))
        for ver, draft in enumerate(drafts, start=first):
            if draft.run != named[0] or draft.snapshot != named[1]:
                now = (draft.run, draft.snapshot)
                self.mentions += [
                    Mention(name, stream, ver) for name, known in zip(now, named, strict=True) if name and name != known
                ]
                named = now
        self._named[stream] = named
