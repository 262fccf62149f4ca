"""The EventLog protocol and its values: what every ledger can do, wherever it keeps its records.

Appending is atomic and durable: an append that returns is on disk, one that raises changed nothing. One writer at a
time: the epoch fences the others off. Reading never disturbs the writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ledger.chain import Head
from ledger.envelope import Actor, Draft, Header, Packed, Stored
from ledger.errors import AppendRefused, BlobMissing

#: The stream of records about the ledger itself.
HOUSEKEEPING = "ledger"
#: An append may carry this many drafts.
DRAFTS_MAX = 10_000


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Drafts of one stream that are recorded together or not at all: a fact and the decisions it caused."""

    stream: str
    #: version that the stream must have; 0 for a new one
    expected: int
    #: epoch of the writer
    epoch: int
    #: RFC 3339 UTC with three decimals, the recorder's clock
    at: str
    drafts: Sequence[Draft]


class Appended(NamedTuple):
    """Where a batch went: the version of its first draft, and the new heads of its stream and of the ledger."""

    first_version: int
    stream: Head
    ledger: Head


#: What became of one batch among several: a refusal of one leaves the others untouched.
Result = Appended | AppendRefused | BlobMissing


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to read; empty fields match everything. Always in the order of the ledger."""

    stream: str = ""
    #: keep streams that start with this text
    stream_prefix: str = ""
    run: str = ""
    snapshot: str = ""
    stage: str = ""
    outcome: str = ""
    types: tuple[str, ...] = ()
    #: positions greater than `after` and, when not 0, not greater than `until`
    after: int = 0
    until: int = 0
    #: instants, RFC 3339 UTC: `since` ≤ at < `before`
    since: str = ""
    before: str = ""

    @property
    def is_range(self) -> bool:
        """Whether positions alone decide: such a reading needs no look into the headers."""
        return self == Selection(after=self.after, until=self.until)

    def matches(self, header: Header) -> bool:
        """Whether a record is selected."""
        return (
            header.seq > self.after
            and (not self.until or header.seq <= self.until)
            and (not self.stream or header.stream == self.stream)
            and header.stream.startswith(self.stream_prefix)
            and (not self.run or header.run == self.run)
            and (not self.snapshot or header.snapshot == self.snapshot)
            and (not self.stage or header.stage == self.stage)
            and (not self.outcome or header.outcome == self.outcome)
            and (not self.types or header.type in self.types)
            and (not self.since or header.at >= self.since)
            and (not self.before or header.at < self.before)
        )


#: The selection of every record.
EVERYTHING = Selection()


class Blobs(Protocol):
    """Payloads by the digest of their content."""

    def put(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = ...) -> str:
        """Store content durably and return its digest. Raises `BlobTooLarge` and `Unavailable`."""

    def pack(self, chunks: bytes | Iterable[bytes], *, limit_bytes: int = ...) -> Packed:
        """Get content ready for `EventLog.append_many`, which stores it. Raises what `put` raises."""

    def read(self, digest: str, *, limit_bytes: int = ...) -> Iterator[bytes]:
        """Content in chunks. Raises `BlobMissing`, `BlobDamaged` (at the latest at the end) and `BlobTooLarge`."""

    def get(self, digest: str, *, limit_bytes: int = ...) -> bytes:
        """Content at once; the same errors."""

    def has(self, digest: str) -> bool: ...

    def digests(self) -> Iterator[str]: ...


class Reader(Protocol):
    """The reading half: all that audits, exports and folds need."""

    @property
    def blobs(self) -> Blobs: ...

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        """Selected records in the order of the ledger, without loading them all.

        Bytes as they are stored: `ledger.chain.Chain` proves them, `ledger.upcast.decode` reads them.
        """

    def head(self) -> Head:
        """The last record of the ledger, as the ledger itself remembers it."""

    def erased(self, seq: int) -> bool:
        """Whether the body at a position was erased on order."""

    def astray(self) -> int:
        """The first position that a reading by stream, run or snapshot would miss or misplace; 0 when there is none."""

    def close(self) -> None: ...


class EventLog(Reader, Protocol):
    """Reading and writing."""

    @property
    def ledger(self) -> str:
        """Id of this ledger."""

    @property
    def epoch(self) -> int:
        """The epoch that may append."""

    def version(self, stream: str) -> int:
        """Version of a stream; 0 when it has no records."""

    def open_epoch(self, *, actor: Actor, at: str, reason: str, software: str = "") -> int:
        """Take over: records `ledger.epoch.opened`; from then on only the returned epoch may append."""

    def append(self, batch: Batch) -> Appended:
        """Record a batch. Raises `AppendRefused`, `BlobMissing` (a draft names an absent blob) or `Unavailable`."""

    def append_many(self, batches: Sequence[Batch], *, blobs: Sequence[Packed] = ()) -> list[Result]:
        """Record batches in one durable transaction, each accepted or refused for itself, and store packed blobs.

        The batches may name the blobs. Raises `Unavailable` when nothing could be written at all.
        """

    def erase(self, positions: Sequence[int], *, batch: Batch) -> Appended:
        """Erase bodies and salts for ever, in one transaction with the record of it.

        The batch has a `ledger.bodies.erased` that names the same positions; such a record itself cannot be erased.
        Raises what `append` raises.
        """
