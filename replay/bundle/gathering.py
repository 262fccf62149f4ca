"""Gathers what a bundle is made of: the run's stream from its first version, and the run's blobs, looked through.

Reads only, and judges payload by payload: as it is, with stand-ins for values of Secrets, or not at all. Not the search
of what was gathered, which is the export's.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.envelope import Header, digest
from ledger.errors import BlobMissing
from ledger.events import BY_TAG, Decision, RunOpened
from ledger.export.record import Exported, checked
from ledger.log import Reader, Selection
from ledger.upcast import decode_event
from replay.bundle import artifacts, secrecy
from replay.bundle.format import LIMITS, Derived, Omitted, blob_name
from replay.errors import Incomplete, Unreadable


class Wanted(NamedTuple):
    """What is to be exported: a run of a stream, to its end or to the append that has a position."""

    stream: str
    run: str
    #: 0: to the end of the run
    until: int = 0


class Kept(NamedTuple):
    """A payload that goes."""

    #: of its content
    digest: str
    size_bytes: int
    #: all that it holds, for the search
    text: str
    #: its content, where it is not the blob of this digest that the ledger has
    data: bytes | None = None

    @property
    def name(self) -> str:
        return blob_name(self.digest)


class Payloads(NamedTuple):
    """The run's payloads."""

    kept: list[Kept]
    derived: list[Derived]
    omitted: list[Omitted]
    #: values of Secrets that were found, and must be nowhere else
    values: set[str]
    #: the artifacts that go with stand-ins, or not at all, as they were
    originals: dict[str, bytes]
    #: payloads that only other runs name
    elsewhere: int


class _Blob(NamedTuple):
    digest: str
    #: position that names it first
    seq: int
    what: str


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────


def records(reader: Reader, wanted: Wanted) -> list[Exported]:
    """The stream from its first version to the end of the append in which the run, or `until`, ends.

    Raises `Incomplete` where there is no such run, `Unreadable` where a bundle has no room.
    """
    last = 0
    for stored in reader.read(Selection(stream=wanted.stream, run=wanted.run, until=wanted.until)):
        last = stored.seq
    if not last:
        raise Incomplete(f"no record of run {wanted.run} is there up to position {wanted.until or 'the end'}")
    found: list[Exported] = []
    size_bytes = 0
    for stored in reader.read(Selection(stream=wanted.stream)):
        record = checked(stored)
        if stored.seq > max(last, wanted.until) and not _is_decision(record.header):
            break
        found.append(record)
        size_bytes += len(stored.header) + len(stored.body or b"") + 250
        if len(found) > LIMITS.records_max or size_bytes > LIMITS.events_bytes_max:
            raise Unreadable(
                f"{wanted.stream} has more than {LIMITS.records_max} records, or {LIMITS.events_bytes_max} bytes of "
                "them, up to the run: a bundle has no room for it; use 'stagesetctl audit export'"
            )
    return found


def _is_decision(header: Header) -> bool:
    kind = BY_TAG.get(header.type)
    return kind is not None and issubclass(kind, Decision)


def opened(found: list[Exported], run: str) -> RunOpened | None:
    """What opened a run."""
    return next((event for one in found if one.header.run == run and (event := _event(one))), None)


def spelled(found: list[Exported]) -> set[str]:
    """The values of Secrets that specs spell out."""
    bodies = {one.stored.body: one for one in found if one.header.type == "run.opened" and _may_spell(one)}
    return {value for one in bodies.values() if (event := _event(one)) for value in secrecy.in_value(event.spec)}


def _may_spell(record: Exported) -> bool:
    body = record.stored.body or b""
    return any(word in body for word in (b"Secret", b"stringData", b'"target"'))


def _event(record: Exported) -> RunOpened | None:
    if record.header.type != "run.opened":
        return None
    event: RunOpened | None = decode_event(record.header, record.stored.body)
    return event


# ── payloads ─────────────────────────────────────────────────────────────────────────────────────────────────────


def payloads(reader: Reader, found: list[Exported], run: str) -> Payloads:
    """The run's blobs that may go, what stands for others, what stays behind, and the values that must be nowhere."""
    event = opened(found, run)
    pinned = {pin.digest for pin in event.pins} if event is not None else set()
    mine: dict[str, _Blob] = {}
    others: set[str] = set()
    for record in found:
        for name in record.header.blobs:
            if record.header.run != run:
                others.add(name)
                continue
            what = "artifact" if name in pinned else "payload"
            mine.setdefault(name, _Blob(name, record.stored.seq, what))
    erased = [Omitted(seq=one.stored.seq, what="body", why="it was erased on order") for one in found if one.erased]
    made = Payloads([], [], erased, set(), {}, elsewhere=len(others - mine.keys()))
    for blob in sorted(mine.values()):
        _sort(reader, blob, made)
    made.omitted.sort(key=lambda one: (one.seq, one.digest))
    made.derived.sort(key=lambda one: (one.seq, one.digest))
    made.kept.sort(key=lambda one: one.digest)
    return made


def _sort(reader: Reader, blob: _Blob, made: Payloads) -> None:
    try:
        data = reader.blobs.get(blob.digest)
    except BlobMissing:
        why = "the ledger does not have it any more"
        made.omitted.append(Omitted(seq=blob.seq, digest=blob.digest, what=blob.what, why=why))
        return
    # An artifact is a gzip file (RFC 1952), everything else that is recorded is JSON.
    if blob.what == "artifact" or data.startswith(b"\x1f\x8b"):
        _sort_artifact(blob, data, artifacts.looked(data), made)
        return
    found = secrecy.in_text(data)
    made.values.update(found.values)
    if found.why:
        made.omitted.append(Omitted(seq=blob.seq, digest=blob.digest, what=blob.what, why=found.why))
    else:
        made.kept.append(Kept(blob.digest, len(data), found.text))


def _sort_artifact(blob: _Blob, data: bytes, found: artifacts.Looked, made: Payloads) -> None:
    made.values.update(found.values)
    if found.why:
        made.omitted.append(Omitted(seq=blob.seq, digest=blob.digest, what=blob.what, why=found.why))
        made.originals[blob.digest] = data
    elif found.derived is None:
        made.kept.append(Kept(blob.digest, len(data), found.text))
    else:
        mark = digest(found.derived)
        if all(one.digest != mark for one in made.kept):
            made.kept.append(Kept(mark, len(found.derived), found.text, found.derived))
        one = Derived(seq=blob.seq, digest=blob.digest, member=mark, files=found.files, generates=found.generates)
        made.derived.append(one)
        made.originals[blob.digest] = data
