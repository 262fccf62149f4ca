"""From a ledger to a bundle: the run's stream from its first version, the run's blobs, and what was left out.

Reads only. The records are proved before a byte is written, and all that is written is searched for the values of
Secrets that artifacts or specs spell out: an export that has one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ledger.envelope import Header, digest
from ledger.errors import BlobMissing
from ledger.events import BY_TAG, Decision, LedgerEpochOpened, RunOpened
from ledger.export.jsonl import line
from ledger.export.record import Exported, checked
from ledger.log import HOUSEKEEPING, Reader, Selection
from ledger.upcast import decode, decode_event
from replay.bundle import format as form
from replay.bundle import redactions, secrecy, writing
from replay.bundle.environment import environment
from replay.bundle.format import LIMITS, Manifest, Member, Omitted, Software
from replay.bundle.proof import prove
from replay.errors import Incomplete, Unreadable, Withheld


class Wanted(NamedTuple):
    """What is to be exported: a run of a stream, to its end or to the append that has a position."""

    stream: str
    run: str
    #: 0: to the end of the run
    until: int = 0


class _Blob(NamedTuple):
    digest: str
    #: position that names it first
    seq: int
    what: str


class _Kept(NamedTuple):
    member: Member
    digest: str
    text: str


class _Payloads(NamedTuple):
    kept: list[_Kept]
    omitted: list[Omitted]
    #: values of Secrets that were found, and must be nowhere else
    values: frozenset[str]
    #: payloads that only other runs name
    elsewhere: int


def export(reader: Reader, wanted: Wanted) -> Iterator[bytes]:
    """The pieces of a bundle's bytes.

    Raises, before the first piece, `Withheld` (it would carry a secret), `Incomplete` (no such run) and `Unreadable`
    (too large for a bundle), and what reading the ledger raises.
    """
    records = _records(reader, wanted)
    opened = _opened(records, wanted)
    payloads = _payloads(reader, records, wanted.run, opened)
    spelled = {value for one in records if (event := _event(one)) for value in secrecy.in_value(event.spec)}
    members = _fixed(reader, records, wanted, payloads)
    _search(payloads.values | spelled, records, payloads.kept, members)
    manifest = _manifest(records, wanted, members, payloads)
    # What a reader would refuse must not be written.
    form.read_manifest(form.encode(manifest))
    prove(manifest, [one.stored for one in records])
    return writing.pieces(_contents(reader, [(form.MANIFEST, form.encode(manifest)), *members], payloads.kept))


def _contents(
    reader: Reader, fixed: Iterable[tuple[str, bytes]], kept: Iterable[_Kept]
) -> Iterator[tuple[str, int, Iterable[bytes]]]:
    for name, data in fixed:
        yield name, len(data), (data,)
    for one in kept:
        yield one.member.name, one.member.size_bytes, reader.blobs.read(one.digest)


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _records(reader: Reader, wanted: Wanted) -> list[Exported]:
    """The stream from its first version to the end of the append in which the run, or `until`, ends."""
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


def _event(record: Exported) -> RunOpened | None:
    if record.header.type != "run.opened":
        return None
    event: RunOpened | None = decode_event(record.header, record.stored.body)
    return event


def _opened(records: list[Exported], wanted: Wanted) -> RunOpened | None:
    return next((event for one in records if one.header.run == wanted.run and (event := _event(one))), None)


# ── blobs ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _payloads(reader: Reader, records: list[Exported], run: str, opened: RunOpened | None) -> _Payloads:
    """The run's blobs that may go, what stays behind, and the values that must be nowhere."""
    pinned = {pin.digest for pin in opened.pins} if opened is not None else set()
    mine: dict[str, _Blob] = {}
    others: set[str] = set()
    omitted = [Omitted(seq=one.stored.seq, what="body", why="it was erased on order") for one in records if one.erased]
    for record in records:
        for name in record.header.blobs:
            if record.header.run != run:
                others.add(name)
                continue
            what = "artifact" if name in pinned else "payload"
            mine.setdefault(name, _Blob(name, record.stored.seq, what))
    kept: list[_Kept] = []
    values: set[str] = set()
    for blob in sorted(mine.values()):
        found = _look(reader, blob)
        if isinstance(found, Omitted):
            omitted.append(found)
            continue
        finding, size_bytes = found
        values |= finding.values
        if finding.why:
            omitted.append(Omitted(seq=blob.seq, digest=blob.digest, what=blob.what, why=finding.why))
        else:
            member = Member(name=form.blob_name(blob.digest), size_bytes=size_bytes, digest=blob.digest)
            kept.append(_Kept(member, blob.digest, finding.text))
    omitted.sort(key=lambda one: (one.seq, one.digest))
    return _Payloads(kept, omitted, frozenset(values), elsewhere=len(others - mine.keys()))


def _look(reader: Reader, blob: _Blob) -> tuple[secrecy.Finding, int] | Omitted:
    try:
        data = reader.blobs.get(blob.digest)
    except BlobMissing:
        return Omitted(seq=blob.seq, digest=blob.digest, what=blob.what, why="the ledger does not have it any more")
    # An artifact is a gzip file (RFC 1952), everything else that is recorded is JSON.
    is_archive = blob.what == "artifact" or data.startswith(b"\x1f\x8b")
    return secrecy.in_artifact(data) if is_archive else secrecy.in_text(data), len(data)


def _search(
    values: Iterable[str], records: list[Exported], kept: list[_Kept], members: list[tuple[str, bytes]]
) -> None:
    search = secrecy.Search(values)
    for one in records:
        for part, data in (("header", one.stored.header), ("body", one.stored.body or b"")):
            if search.finds(data.decode("utf-8", "replace")):
                raise _withheld(f"the {part} of position {one.stored.seq} ({one.header.type})")
    for blob in kept:
        if search.finds(blob.text):
            raise _withheld(f"blob {blob.digest}")
    for name, data in members:
        if name != form.EVENTS and search.finds(data.decode()):
            raise _withheld(name)


def _withheld(place: str) -> Withheld:
    return Withheld(
        f"not exported: {place} holds the value of a Secret that an artifact or the spec spells out; keep Secrets out "
        "of artifacts and specs, and change the value"
    )


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────────────


def _fixed(reader: Reader, records: list[Exported], wanted: Wanted, payloads: _Payloads) -> list[tuple[str, bytes]]:
    last, opened = records[-1].stored.seq, _opened(records, wanted)
    policy: dict[str, Any] = opened.policy if opened is not None else {}
    about = environment(recorded_by=_software(reader, records, last), policy=policy)
    contents = redactions.Contents(
        wanted.stream, wanted.run, last, len(payloads.kept), payloads.omitted, payloads.elsewhere
    )
    events = b"".join(line(one) for one in records)
    return [
        (form.ENVIRONMENT, form.encode(about)),
        (form.REDACTIONS, redactions.text(contents).encode()),
        (form.EVENTS, events),
    ]


def _software(reader: Reader, records: list[Exported], last: int) -> tuple[Software, ...]:
    epochs = {one.header.writer.epoch for one in records}
    chosen = Selection(stream=HOUSEKEEPING, types=("ledger.epoch.opened",), until=last)
    found = []
    for stored in reader.read(chosen):
        header, event = decode(stored)
        if header.writer.epoch in epochs and isinstance(event, LedgerEpochOpened):
            found.append(Software(epoch=header.writer.epoch, software=event.software))
    return tuple(found)


def _member(name: str, data: bytes) -> Member:
    return Member(name=name, size_bytes=len(data), digest=digest(data))


def _manifest(records: list[Exported], wanted: Wanted, fixed: list[tuple[str, bytes]], payloads: _Payloads) -> Manifest:
    last = records[-1]
    return Manifest(
        format=form.FORMAT,
        ledger=last.header.ledger,
        stream=wanted.stream,
        run=wanted.run,
        first_seq=next(one.stored.seq for one in records if one.header.run == wanted.run),
        last_seq=last.stored.seq,
        records=len(records),
        head=last.mark,
        members=(*(_member(*one) for one in fixed), *(one.member for one in payloads.kept)),
        omitted=tuple(payloads.omitted),
        elsewhere=payloads.elsewhere,
    )
