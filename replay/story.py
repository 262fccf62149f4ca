"""What happened in a run, told from its records: why it ended, what took how long, what was seen when it failed.

A view, no proof and no replay. Durations are differences of the recorder's clock, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ledger import instant
from ledger.envelope import Header, Record, Stored
from ledger.errors import UnknownEvent
from ledger.events import Decision, Finished, Pin, RunFailed, RunOpened, RunRetryScheduled, StageFailed
from ledger.render import summary
from ledger.upcast import decode
from replay.errors import Incompatible

_ENDS = {"run.succeeded": "succeeded", "run.failed": "failed", "run.superseded": "superseded"}


class Moment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One record of the run; an intent and its answer are one moment, at the time of the intent."""

    seq: int
    at: str
    #: since the run was opened
    after_ms: int
    stage: str = ""
    what: str
    #: the action that it is about
    action: str = ""
    #: how long an operation took; -1: it has no answer, or is none
    took_ms: int = -1
    outcome: str = ""
    told: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen when an operation failed, as it was recorded."""

    seq: int
    stage: str
    type: str
    evidence: dict[str, Any]


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why the run failed."""

    seq: int
    stage: str
    operation: str
    reason: str
    message: str
    retryable: bool


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    stream: str
    run: str
    trigger: str
    generation: int
    snapshot: str
    opened_at: str
    #: of the last record of the run
    last_at: str
    #: succeeded, failed, superseded, or unfinished
    outcome: str
    message: str
    failed: Failed | None
    #: when the same snapshot is tried again; empty: no such plan
    retry_at: str
    pins: tuple[Pin, ...]
    moments: tuple[Moment, ...]
    evidence: tuple[Evidence, ...]


def story(records: Sequence[Stored], *, run: str) -> Story:
    """Tell a run from the records of its stream. Raises `Incompatible` for an event that this version does not know."""
    mine = [record for record in _decoded(records) if record.header.run == run]
    opened = next((one.event for one in mine if isinstance(one.event, RunOpened)), None)
    end = next((one for one in mine if one.header.type in _ENDS), None)
    retry = next((one.event.due for one in mine if isinstance(one.event, RunRetryScheduled)), "")
    return Story(
        stream=mine[0].header.stream,
        run=run,
        trigger=opened.trigger if opened is not None else "",
        generation=opened.generation if opened is not None else 0,
        snapshot=next((one.header.snapshot for one in mine if one.header.snapshot), ""),
        opened_at=mine[0].header.at,
        last_at=(end or mine[-1]).header.at,
        outcome=_ENDS[end.header.type] if end is not None else "unfinished",
        message=end.event.message if end is not None and isinstance(end.event, RunFailed) else "",
        failed=next((_failed(one.header, one.event) for one in mine if isinstance(one.event, StageFailed)), None),
        retry_at=retry,
        pins=tuple(opened.pins) if opened is not None else (),
        moments=tuple(_moments(mine)),
        evidence=tuple(
            Evidence(seq=one.header.seq, stage=one.header.stage, type=one.header.type, evidence=one.event.evidence)
            for one in mine
            if isinstance(one.event, Finished) and one.event.evidence
        ),
    )


def _decoded(records: Sequence[Stored]) -> list[Record]:
    try:
        return [decode(stored) for stored in records]
    except UnknownEvent as error:
        raise Incompatible(f"{error}: use a newer stagesetctl", seq=error.seq) from error


def _failed(header: Header, event: StageFailed) -> Failed:
    return Failed(
        seq=header.seq,
        stage=header.stage,
        operation=event.operation,
        reason=event.reason,
        message=event.message,
        retryable=event.retryable,
    )


def _moments(records: Sequence[Record]) -> list[Moment]:
    answers = {one.header.intent: one for one in records if isinstance(one.event, Finished)}
    begun_ms = instant.to_ms(records[0].header.at)
    return [
        _moment(record, answers.get(record.header.ver), begun_ms=begun_ms)
        for record in records
        if not (isinstance(record.event, Finished) and record.header.intent)
    ]


def _moment(record: Record, answer: Record | None, *, begun_ms: int) -> Moment:
    header = record.header
    at_ms = instant.to_ms(header.at)
    is_intent = isinstance(record.event, Decision) and header.type.endswith(".intended")
    told = [summary(record.event), *([summary(answer.event)] if answer is not None else [])]
    return Moment(
        seq=header.seq,
        at=header.at,
        after_ms=at_ms - begun_ms,
        stage=header.stage,
        what=header.op if is_intent else header.type,
        action=getattr(record.event, "action", ""),
        took_ms=instant.to_ms(answer.header.at) - at_ms if answer is not None else -1,
        outcome=answer.header.outcome if answer is not None else ("unanswered" if is_intent else header.outcome),
        told=" → ".join(part for part in told if part),
    )
