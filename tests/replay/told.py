"""What tests ask of bundles: their decoded records, and the subject of a report on them."""

from __future__ import annotations

import io

from ledger.envelope import Record
from ledger.export.record import checked
from ledger.log import Reader, Selection
from ledger.upcast import decode
from replay.checking import check, opened
from replay.payloads import manifests
from replay.report.subject import Subject
from replay.runs import runs
from replay.story import story


def records_of(data: bytes) -> list[Record]:
    return [decode(one) for one in opened(io.BytesIO(data)).bundle.records]


def last_failed(reader: Reader) -> tuple[str, str]:
    """Stream and run of the last run that failed."""
    header = checked(list(reader.read(Selection(types=("run.failed",))))[-1]).header
    return header.stream, header.run


def subject(data: bytes) -> Subject:
    """All that a report tells of a bundle."""
    bundle = opened(io.BytesIO(data)).bundle
    records = records_of(data)
    found = runs(records)
    mine = next(at for at, one in enumerate(found) if one.id == bundle.manifest.run)
    wanted = {digest for run in found for digest in run.built.values()}
    kept = manifests(io.BytesIO(data), bundle.manifest, wanted)
    told = story(bundle.records, run=bundle.manifest.run)
    return Subject(bundle, told, records, found[: mine + 1], kept, check(io.BytesIO(data)))
