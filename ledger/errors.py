"""The ledger's error tree. Leaves are named by what the caller should do; errors carry fields.

LedgerError
├── AppendRefused          nothing was written; the append was wrong
│   ├── WrongVersion       read the stream again, decide again
│   ├── StaleEpoch         another writer took over: stop acting
│   ├── HeaderTooLarge     move text into the body
│   ├── BodyTooLarge       move the payload into a blob
│   └── NotCanonical       a value that the permanent format has no place for
├── Unavailable            nothing was written; the environment must be mended
│   ├── DiskFull
│   ├── ReadOnly
│   ├── Locked             another process writes to this ledger
│   └── Closed             the log was closed
├── Unreadable             what is stored cannot be understood; nothing was changed
│   ├── NotALedger
│   ├── NewerFormat        written by a newer version: upgrade
│   ├── Damaged            the file itself is broken
│   ├── Broken             a record breaks the chain, or is not what its digest says
│   └── UnknownEvent       a tag or field that this version does not know
└── BlobError
    ├── BlobMissing
    ├── BlobDamaged
    └── BlobTooLarge
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all errors of this package."""


class AppendRefused(LedgerError):
    """The append was refused and nothing was written."""


class WrongVersion(AppendRefused):
    """The stream is at another version than the append expected."""

    def __init__(self, stream: str, *, expected: int, actual: int) -> None:
        super().__init__(
            f"stream {stream} is at version {actual}, the append expected {expected}: read what is new and decide again"
        )
        self.stream, self.expected, self.actual = stream, expected, actual


class StaleEpoch(AppendRefused):
    """The writer's epoch is not the ledger's current one."""

    def __init__(self, *, given: int, current: int) -> None:
        super().__init__(f"epoch {given} may not append, the ledger is in epoch {current}: another writer took over")
        self.given, self.current = given, current


class HeaderTooLarge(AppendRefused):
    """The header would exceed its limit."""

    def __init__(self, event_type: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the header of {event_type} has {size_bytes} bytes, the limit is {limit_bytes}: put long text in the body"
        )
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class BodyTooLarge(AppendRefused):
    """The body would exceed its limit."""

    def __init__(self, event_type: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the body of {event_type} has {size_bytes} bytes, the limit is {limit_bytes}: put large payloads in a blob"
        )
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class NotCanonical(AppendRefused):
    """A value that the permanent format has no place for."""

    def __init__(self, event_type: str, why: str) -> None:
        super().__init__(f"{event_type} cannot be recorded: {why}")
        self.event_type, self.why = event_type, why


class Unavailable(LedgerError):
    """The ledger cannot be written or opened now; nothing was written."""


class DiskFull(Unavailable):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: the disk is full; nothing was recorded. Free space on its volume, then try again")
        self.path = path


class ReadOnly(Unavailable):
    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: cannot be written: the file, its folder or the volume is read-only")
        self.path = path


class Locked(Unavailable):
    def __init__(self, path: str, *, holder: str = "") -> None:
        who = f" ({holder})" if holder else ""
        super().__init__(
            f"{path}: another process{who} has this ledger open for writing; a ledger has one writer. "
            "Stop it first, or open the ledger read-only"
        )
        self.path, self.holder = path, holder


class Closed(Unavailable):
    def __init__(self) -> None:
        super().__init__("the ledger is closed; nothing was recorded")


class Unreadable(LedgerError):
    """What is stored cannot be understood."""


class NotALedger(Unreadable):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: not a ledger: {why}")
        self.path = path


class NewerFormat(Unreadable):
    def __init__(self, path: str, *, found: int, supported: int) -> None:
        super().__init__(
            f"{path}: written in ledger format {found}, this version reads up to {supported}: use a newer stagesetctl"
        )
        self.path, self.found, self.supported = path, found, supported


class Damaged(Unreadable):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: the file is damaged ({why}); keep a copy of it, then restore a backup")
        self.path, self.why = path, why


class Broken(Unreadable):
    """A record that breaks the chain. `kind` is a class of `stagesetctl audit verify`, `seq` the position."""

    def __init__(self, kind: str, seq: int, why: str) -> None:
        super().__init__(f"{kind} at position {seq}: {why}")
        self.kind, self.seq, self.why = kind, seq, why


class UnknownEvent(Unreadable):
    """A tag or a field that this version does not know. `seq` is 0 where the position is not known."""

    def __init__(self, event_type: str, why: str, *, seq: int = 0) -> None:
        where = f"position {seq}: " if seq else ""
        super().__init__(f"{where}{event_type}: {why}")
        self.event_type, self.why, self.seq = event_type, why, seq


class BlobError(LedgerError):
    """A payload beside the records."""


class BlobMissing(BlobError):
    def __init__(self, digest: str) -> None:
        super().__init__(f"blob {digest} is missing")
        self.digest = digest


class BlobDamaged(BlobError):
    def __init__(self, digest: str, why: str) -> None:
        super().__init__(f"blob {digest} is damaged: {why}")
        self.digest, self.why = digest, why


class BlobTooLarge(BlobError):
    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"a blob may have {limit_bytes} bytes at most; nothing was stored")
        self.limit_bytes = limit_bytes
