"""Judges again how the Jobs of an action ended, from what was kept of them: conditions, containers, logs, warnings.

Not their run. By the functions of the hand itself; where its sentence came from something that is not kept, nothing is
computed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec.structs import replace

from ledger.events import ActionFinished, Item
from reconciler.adapters.hands.actions.job_answers import failure, lateness, still_running
from reconciler.adapters.hands.actions.job_evidence import Kept, told_by
from reconciler.adapters.hands.actions.job_look import end_of
from reconciler.compute.inventory import entry_id
from reconciler.compute.order import ref_of
from reconciler.errors import OperationError
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer
from replay.performing.recorded import NotRecorded

#: Reasons of answers that can be judged again.
REASONS = frozenset({"JobFailed", "JobTimeout"})


class Judged(NamedTuple):
    """An answer that was judged again."""

    answer: Answer
    #: the last line of a log stands in the message, and the log is not in the bundle
    without_log: bool


def judged(event: ActionFinished) -> Judged:
    """The answer of a job action. Raises `NotRecorded`."""
    kept = told_by(event.evidence)
    lives: dict[Ref, Object] = {ref_of(obj): obj for obj in event.evidence.get("objects", ())}
    if not lives:
        raise NotRecorded("how the Jobs were found: the values of Secrets to take out of it were not known")
    error = failure(list(lives), kept) if event.reason == "JobFailed" else _lateness(event, lives, kept)
    without_log = _is_without_log(event.message, error.message, kept)
    answer = ActionFinished(
        hook=event.hook,
        action=event.action,
        reason=error.reason,
        message=event.message if without_log else error.message,
        retryable=error.retryable,
        objects=[_item(item, lives) for item in event.objects],
    )
    return Judged(Answer(answer, "failed"), without_log)


def _lateness(event: ActionFinished, lives: dict[Ref, Object], kept: Kept) -> OperationError:
    if not {entry_id(ref) for ref in lives} <= {item.id for item in event.objects}:
        raise NotRecorded("what was made for an older revision of the action")
    if "; the cluster could not be watched: " in event.message:
        raise NotRecorded("what the cluster answered to a watch")
    return lateness(still_running(lives), kept, reason=event.reason)


def _item(item: Item, lives: dict[Ref, Object]) -> Item:
    """An object of the answer, as it is judged now; of one of which nothing is kept, as it was."""
    live = next((obj for ref, obj in lives.items() if entry_id(ref) == item.id), None)
    if live is None:
        return item
    end = end_of(live)
    return replace(item, action="running" if end is None else "complete" if end.well else "failed")


def _is_without_log(recorded: str, computed: str, kept: Kept) -> bool:
    """Whether the recorded sentence is the computed one with a line of a log in it, and no log is kept."""
    if not kept.words or any("log" in one for one in kept.evidence.get("containers", ())):
        return False
    before, words, after = computed.partition(kept.words)
    return re.fullmatch(re.escape(before + words) + ": .+" + re.escape(after), recorded, re.DOTALL) is not None
