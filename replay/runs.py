"""The runs of a stream, one line each: what came before the run that is looked at, and its tries.

Not the story of a run: that is `replay.story`. Not a proof either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ledger.envelope import Record
from ledger.events import BuildFinished, RunFailed, RunOpened

_ENDS = {"run.succeeded": "succeeded", "run.failed": "failed", "run.superseded": "superseded"}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run, in short."""

    id: str
    trigger: str = ""
    snapshot: str = ""
    opened_at: str = ""
    #: of its end, or of its last record
    last_at: str = ""
    #: succeeded, failed, superseded, or unfinished
    outcome: str = "unfinished"
    message: str = ""
    #: digest of the set of rendered objects, by stage
    built: dict[str, str] = {}


def runs(records: Iterable[Record]) -> list[Run]:
    """All runs, in the order in which they were opened."""
    found: dict[str, Run] = {}
    for record in records:
        if record.header.run:
            known = found.get(record.header.run) or Run(id=record.header.run, opened_at=record.header.at)
            found[record.header.run] = _told(known, record)
    return list(found.values())


def before(found: Sequence[Run], run: str) -> Run | None:
    """The run before one."""
    ids = [one.id for one in found]
    return found[ids.index(run) - 1] if run in ids and ids.index(run) else None


def tries(found: Sequence[Run], run: str) -> list[Run]:
    """The runs of the same snapshot up to one, itself included: each after the first was another try."""
    mine = next((one for one in found if one.id == run), None)
    if mine is None or not mine.snapshot:
        return []
    upto = found[: list(found).index(mine) + 1]
    return [one for one in upto if one.snapshot == mine.snapshot]


def _told(known: Run, record: Record) -> Run:
    header, event = record
    changes: dict[str, object] = {}
    if known.outcome == "unfinished":
        changes["last_at"] = header.at
    if header.type in _ENDS:
        changes["outcome"] = _ENDS[header.type]
    if header.snapshot and not known.snapshot:
        changes["snapshot"] = header.snapshot
    match event:
        case RunOpened():
            changes["trigger"] = event.trigger
        case RunFailed():
            changes["message"] = event.message
        case BuildFinished() if event.manifests:
            changes["built"] = {**known.built, header.stage: event.manifests}
    return msgspec.structs.replace(known, **changes) if changes else known
