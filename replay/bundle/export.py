"""From a ledger to a bundle: the run's stream from its first version, the run's blobs, and what was left out.

Reads only. The records are proved before a byte is written, and all that is written is searched for the values of
Secrets that artifacts or specs spell out: an export that has one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ledger.envelope import digest
from ledger.events import LedgerEpochOpened
from ledger.export.jsonl import line
from ledger.export.record import Exported
from ledger.log import HOUSEKEEPING, Reader, Selection
from ledger.upcast import decode
from replay.bundle import format as form
from replay.bundle import gathering, redactions, sealing, secrecy, writing
from replay.bundle.environment import environment
from replay.bundle.format import Manifest, Member, Sealed, Shortened, Software
from replay.bundle.gathering import Kept, Payloads, Wanted
from replay.bundle.logs import without_logs
from replay.bundle.proof import prove
from replay.errors import Withheld

__all__ = ["Options", "Wanted", "export"]


class Options(NamedTuple):
    """What goes beside what always goes."""

    #: tails of the logs of Jobs
    with_logs: bool = False
    #: age recipients, for each of whom the artifacts that are withheld are encrypted; none: they stay behind
    recipients: tuple[str, ...] = ()


class _Material(NamedTuple):
    """All that a bundle is made of, before its manifest."""

    wanted: Wanted
    options: Options
    records: list[Exported]
    shortened: tuple[Shortened, ...]
    payloads: Payloads
    #: what is in `secrets.age`; None: there is none
    sealed: Sealed | None


_USUAL = Options()


def export(reader: Reader, wanted: Wanted, options: Options = _USUAL) -> Iterator[bytes]:
    """The pieces of a bundle's bytes.

    Raises, before the first piece, `Withheld` (it would carry a secret), `Incomplete` (no such run) and `Unreadable`
    (too large for a bundle), `sealing.NoRecipient`, and what reading the ledger raises.
    """
    material = _material(reader, wanted, options)
    values = material.payloads.values | gathering.spelled(material.records)
    members = _fixed(reader, material)
    _search(values, material, members)
    if material.sealed is not None:
        members.append((form.SECRETS, sealing.sealed(material.payloads.originals, options.recipients)))
    manifest = _manifest(material, members)
    # What a reader would refuse must not be written.
    form.read_manifest(form.encode(manifest))
    prove(manifest, [one.stored for one in material.records])
    contents = [(form.MANIFEST, form.encode(manifest)), *members]
    return writing.pieces(_contents(reader, contents, material.payloads.kept))


def _material(reader: Reader, wanted: Wanted, options: Options) -> _Material:
    found = gathering.records(reader, wanted)
    payloads = gathering.payloads(reader, found, wanted.run)
    pairs = [(one, None) if options.with_logs else without_logs(one) for one in found]
    shortened = tuple(shorter for _, shorter in pairs if shorter is not None)
    originals = payloads.originals
    sealed = Sealed(recipients=options.recipients, artifacts=tuple(sorted(originals)))
    is_sealed = options.recipients and originals
    return _Material(wanted, options, [one for one, _ in pairs], shortened, payloads, sealed if is_sealed else None)


def _contents(
    reader: Reader, fixed: Iterable[tuple[str, bytes]], kept: Iterable[Kept]
) -> Iterator[tuple[str, int, Iterable[bytes]]]:
    for name, data in fixed:
        yield name, len(data), (data,)
    for one in kept:
        yield one.name, one.size_bytes, (one.data,) if one.data is not None else reader.blobs.read(one.digest)


# ── the second line ──────────────────────────────────────────────────────────────────────────────────────────────


def _search(values: Iterable[str], material: _Material, members: Sequence[tuple[str, bytes]]) -> None:
    """Raise `Withheld` where a value occurs, naming the place."""
    search = secrecy.Search(values)
    for name, data in members:
        if search.finds(data.decode("utf-8", "replace")):
            raise _withheld(_place(search, material.records) if name == form.EVENTS else name)
    for one in material.payloads.kept:
        if search.finds(one.text):
            raise _withheld(f"blob {one.digest}")


def _place(search: secrecy.Search, records: Sequence[Exported]) -> str:
    for one in records:
        for part, data in (("header", one.stored.header), ("body", one.stored.body or b"")):
            if search.finds(data.decode("utf-8", "replace")):
                return f"the {part} of position {one.stored.seq} ({one.header.type})"
    return form.EVENTS


def _withheld(place: str) -> Withheld:
    return Withheld(
        f"not exported: {place} holds the value of a Secret that an artifact or the spec spells out; keep Secrets out "
        "of artifacts and specs, and change the value"
    )


# ── what is written ──────────────────────────────────────────────────────────────────────────────────────────────


def _fixed(reader: Reader, material: _Material) -> list[tuple[str, bytes]]:
    records, wanted, payloads = material.records, material.wanted, material.payloads
    last, opened = records[-1].stored.seq, gathering.opened(records, wanted.run)
    policy: dict[str, Any] = opened.policy if opened is not None else {}
    about = environment(recorded_by=_software(reader, records, last), policy=policy)
    contents = redactions.Contents(
        stream=wanted.stream,
        run=wanted.run,
        last_seq=last,
        blobs=len(payloads.kept),
        omitted=payloads.omitted,
        elsewhere=payloads.elsewhere,
        derived=payloads.derived,
        shortened=material.shortened,
        with_logs=material.options.with_logs,
        sealed=material.sealed,
    )
    return [
        (form.ENVIRONMENT, form.encode(about)),
        (form.REDACTIONS, redactions.text(contents).encode()),
        (form.EVENTS, b"".join(line(one) for one in records)),
    ]


def _software(reader: Reader, records: Sequence[Exported], last: int) -> tuple[Software, ...]:
    epochs = {one.header.writer.epoch for one in records}
    chosen = Selection(stream=HOUSEKEEPING, types=("ledger.epoch.opened",), until=last)
    found = []
    for stored in reader.read(chosen):
        header, event = decode(stored)
        if header.writer.epoch in epochs and isinstance(event, LedgerEpochOpened):
            found.append(Software(epoch=header.writer.epoch, software=event.software))
    return tuple(found)


def _manifest(material: _Material, fixed: Sequence[tuple[str, bytes]]) -> Manifest:
    records, payloads = material.records, material.payloads
    last = records[-1]
    blobs = (Member(name=one.name, size_bytes=one.size_bytes, digest=one.digest) for one in payloads.kept)
    return Manifest(
        format=form.FORMAT,
        ledger=last.header.ledger,
        stream=material.wanted.stream,
        run=material.wanted.run,
        first_seq=next(one.stored.seq for one in records if one.header.run == material.wanted.run),
        last_seq=last.stored.seq,
        records=len(records),
        head=last.mark,
        members=(*(Member(name=name, size_bytes=len(data), digest=digest(data)) for name, data in fixed), *blobs),
        omitted=tuple(payloads.omitted),
        elsewhere=payloads.elsewhere,
        derived=tuple(payloads.derived),
        shortened=material.shortened,
        sealed=material.sealed,
    )
