"""The audit: is this ledger what it was when it was written, and if not, where does it first differ and how?

Trusts nothing but the bytes: recomputes both chains, every body and every blob. A header is confirmed by the record
after it, the last one by the ledger's head, so that an altered record is told from an altered neighbour. A ledger whose
end was cut off together with its head is whole by itself: an outside head (`expect`) is what proves the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain as concat
from typing import NamedTuple

import msgspec

from ledger.chain import Head, check_body
from ledger.envelope import Header, Stored, decode_header, digest, is_canonical
from ledger.errors import BlobDamaged, BlobMissing, BlobTooLarge, Broken, UnknownEvent
from ledger.events import LedgerBodiesErased
from ledger.log import Reader, Selection
from ledger.upcast import decode

#: How often `progress` is told, in records.
PROGRESS_EVERY = 1_000


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an audit found: `VALID`, or the first bad position, its class and a sentence."""

    verdict: str
    records: int
    streams: int
    blobs: int
    head: str = ""
    seq: int = 0
    message: str = ""
    erased: int = 0

    @property
    def valid(self) -> bool:
        return self.verdict == "VALID"


class _Seen(NamedTuple):
    """A record with its hash and, where it can be read, its header and event."""

    stored: Stored
    mark: str
    header: Header | None
    problem: str


class _Readable(NamedTuple):
    """The hash and header of a record, wherever it stands."""

    mark: str
    header: Header


def audit(reader: Reader, *, expect: Head | None = None, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Check a whole ledger. `expect` is a head that is known from elsewhere; `progress` is told positions."""
    auditor = _Auditor(reader, progress)
    try:
        auditor.records()
        auditor.erasures()
        auditor.segments()
        if expect is not None:
            auditor.expected(expect)
        auditor.blobs()
    except Broken as broken:
        return auditor.report(broken.kind, seq=broken.seq, message=broken.why)
    return auditor.report("VALID")


class _Auditor:
    def __init__(self, reader: Reader, progress: Callable[[int], None]) -> None:
        self._reader = reader
        self._progress = progress
        self._head = reader.head()
        self._last = Head()
        self._ledger = ""
        self._streams: dict[str, Head] = {}
        #: where each blob was first named
        self._blobs: dict[str, int] = {}
        self._erased: set[int] = set()
        #: positions that records of erasures name
        self._ordered: set[int] = set()

    def report(self, verdict: str, *, seq: int = 0, message: str = "") -> Report:
        return Report(
            verdict=verdict,
            records=self._last.number,
            streams=len(self._streams),
            blobs=len(self._blobs),
            head=self._last.hash,
            seq=seq,
            message=message,
            erased=len(self._erased),
        )

    def records(self) -> None:
        """Walk all records with one of lookahead. Raises `Broken`."""
        current: _Seen | None = None
        for following in concat((_see(stored) for stored in self._reader.read()), (None,)):
            if current is not None:
                self._record(current, following)
            elif following is not None and following.stored.seq != 1:
                raise Broken("MISSING", 1, "the first record is gone")
            current = following
        if self._last.number < self._head.number:
            raise Broken(
                "TRUNCATED", self._last.number + 1, f"the ledger remembers {self._head.number} records, its end is gone"
            )

    def _record(self, seen: _Seen, following: _Seen | None) -> None:
        seq = self._last.number + 1
        if seen.stored.seq != seq:
            raise Broken("MISSING", seq, f"the next record that is there has position {seen.stored.seq}")
        self._integrity(seen, following)
        header = self._meaning(seen)
        self._last = Head(seq, seen.mark)
        self._streams[header.stream] = Head(header.ver, seen.mark)
        for blob in header.blobs:
            self._blobs.setdefault(blob, seq)
        if seq % PROGRESS_EVERY == 0:
            self._progress(seq)

    def _integrity(self, seen: _Seen, following: _Seen | None) -> None:
        """Raise unless the record is the one that was written at this position."""
        seq = seen.stored.seq
        if seen.header is not None and seen.header.gprev != self._last.hash:
            raise self._misplaced(seen)
        if following is None or seq >= self._head.number:
            self._end(seen, following)
            return
        if following.stored.seq == seq + 1 and _follows(following, seen.mark):
            return
        if following.stored.seq != seq + 1:
            # The row after it is gone: nothing there can confirm this one, only its own stream's next record can.
            self._without_witness(seen)
            return
        if following.header is not None and (
            following.header.seq != seq + 1 or following.header.ledger != (self._ledger or following.header.ledger)
        ):
            self._without_witness(seen)
            raise self._misplaced(following)
        if self._is_confirmed(following):
            raise self._misplaced(seen)
        self._without_witness(seen)
        raise self._misplaced(following)

    def _end(self, seen: _Seen, following: _Seen | None) -> None:
        seq = seen.stored.seq
        if seq < self._head.number:
            # Last row, but the ledger remembers more: only this record itself can be judged.
            self._without_witness(seen)
        elif (seq == self._head.number and seen.mark != self._head.hash) or seq > self._head.number:
            raise self._misplaced(seen)
        if following is not None:
            raise self._misplaced(following)

    def _without_witness(self, seen: _Seen) -> None:
        """Judge a record whose successor cannot confirm it: by the next record of its stream, else by its form."""
        if (
            seen.header is None
            or seen.header.seq != seen.stored.seq
            or not is_canonical(seen.stored.header, seen.header)
        ):
            raise self._misplaced(seen)
        for stored in self._reader.read(Selection(after=seen.stored.seq)):
            other = _see(stored).header
            if other is not None and _is_next(other, seen.header):
                if other.prev != seen.mark and self._is_confirmed(_see(stored)):
                    raise Broken("ALTERED", seen.stored.seq, "it is not the record that its successor follows")
                return

    def _is_confirmed(self, seen: _Seen) -> bool:
        """Whether what comes after a record names its hash."""
        seq = seen.stored.seq
        if seq == self._head.number:
            return seen.mark == self._head.hash
        following = next(iter(self._reader.read(Selection(after=seq, until=seq + 1))), None)
        return following is not None and _follows(_see(following), seen.mark)

    def _misplaced(self, seen: _Seen) -> Broken:
        """Name what is wrong with a record that is not the one written at its position."""
        seq = seen.stored.seq
        if seen.header is None:
            return Broken("ALTERED", seq, f"its header is not what was written: {seen.problem}")
        says = seen.header.seq
        if says == seq or not self._is_intact(seen):
            return Broken("ALTERED", seq, "its header is not what was written")
        if says > seq and not any(header.seq == seq for header in self._headers()):
            return Broken("MISSING", seq, f"the record that stands here was written at position {says}")
        return Broken("REORDERED", seq, f"the record that stands here was written at position {says}")

    def _is_intact(self, seen: _Seen) -> bool:
        """Whether it follows a record that is there, or one follows it: then it is genuine, wherever it stands."""
        if seen.mark == self._head.hash or any(header.gprev == seen.mark for header in self._headers()):
            return True
        before = Head(seen.header.seq - 1, seen.header.gprev) if seen.header is not None else Head(-1)
        return before == Head() or any(before == Head(other.header.seq, other.mark) for other in self._readable())

    def _headers(self) -> Iterator[Header]:
        return (seen.header for seen in self._readable())

    def _readable(self) -> Iterator[_Readable]:
        for stored in self._reader.read():
            seen = _see(stored)
            if seen.header is not None:
                yield _Readable(seen.mark, seen.header)

    def _meaning(self, seen: _Seen) -> Header:
        """Raise unless a genuine record says what a record at this position may say."""
        stored, header, seq = seen.stored, seen.header, seen.stored.seq
        if header is None:
            raise Broken("UNREADABLE", seq, seen.problem)
        if not is_canonical(stored.header, header):
            raise Broken("UNREADABLE", seq, "its header is not canonical JSON")
        if header.seq != seq:
            raise Broken("GAP", seq, f"its header says position {header.seq}")
        before = self._streams.get(header.stream, Head())
        if header.ver != before.number + 1:
            raise Broken("GAP", seq, f"version {header.ver} of {header.stream} follows version {before.number}")
        if header.prev != before.hash:
            raise Broken("ALTERED", seq, f"its header does not name the record before it in {header.stream}")
        self._ledger = self._ledger or header.ledger
        if header.ledger != self._ledger:
            raise Broken("ALTERED", seq, f"it belongs to ledger {header.ledger}")
        self._body(stored, header)
        return header

    def _body(self, stored: Stored, header: Header) -> None:
        if stored.body is None and header.body:
            if not self._reader.erased(stored.seq):
                raise Broken("MISSING", stored.seq, "its body is gone and no record says that it was erased")
            self._erased.add(stored.seq)
        if stored.body is None and stored.salt is not None:
            raise Broken("ALTERED", stored.seq, "it has a salt without a body")
        check_body(stored, header)
        try:
            event = decode(stored).event
        except UnknownEvent as error:
            raise Broken("UNREADABLE", stored.seq, f"{error.event_type}: {error.why}") from error
        if isinstance(event, LedgerBodiesErased):
            self._ordered.update(event.positions)

    def erasures(self) -> None:
        """Raise unless a record in the chain orders each erasure: the ledger's own list of them proves nothing."""
        for seq in sorted(self._erased - self._ordered):
            raise Broken("MISSING", seq, "its body is gone and no record says that it was erased")

    def segments(self) -> None:
        """Raise unless every record is found by its stream: an export of one stream must not pass over any."""
        seq = self._reader.astray()
        if seq > self._last.number:
            raise Broken("TRUNCATED", seq, "its stream leads to it, the end of the ledger is gone")
        if seq:
            raise Broken("ALTERED", seq, "what leads from its stream to it is not what was written")

    def expected(self, expect: Head) -> None:
        """Raise unless the ledger contains the head that is known from elsewhere."""
        if expect.number > self._last.number:
            raise Broken("TRUNCATED", self._last.number + 1, f"it had {expect.number} records once, its end is gone")
        for stored in self._reader.read(Selection(after=expect.number - 1, until=expect.number)):
            if digest(stored.header) != expect.hash:
                raise Broken("ALTERED", expect.number, "it is not the record that the expected head names")

    def blobs(self) -> None:
        """Unpack every blob that a record names, and every other one that is there. Raises `Broken`."""
        for name in concat(self._blobs, (other for other in self._reader.blobs.digests() if other not in self._blobs)):
            seq = self._blobs.get(name, 0)
            try:
                for _ in self._reader.blobs.read(name):
                    pass
            except BlobMissing as error:
                raise Broken("MISSING", seq, str(error)) from error
            except (BlobDamaged, BlobTooLarge) as error:
                raise Broken("ALTERED", seq, str(error)) from error


def _is_next(other: Header, header: Header) -> bool:
    return (other.ledger, other.stream, other.ver) == (header.ledger, header.stream, header.ver + 1)


def _see(stored: Stored) -> _Seen:
    mark = digest(stored.header)
    try:
        return _Seen(stored, mark, decode_header(stored.header), "")
    except UnknownEvent as error:
        return _Seen(stored, mark, None, error.why)


def _follows(seen: _Seen, mark: str) -> bool:
    """Whether a record names a hash as the one before it, even when it is of a kind that this version cannot read."""
    if seen.header is not None:
        return seen.header.gprev == mark
    return f'"gprev":"{mark}"'.encode() in seen.stored.header
