"""How a fork ends, in the words of the controller's own messages.

Not decisions. Sentences for people, from a state and what is open.
"""

from __future__ import annotations

from typing import Any

from ledger import events as e
from ledger.instant import to_text
from reconciler.folds.operations import OPERATION_WORDS
from reconciler.state import State
from reconciler.transitions import Phase
from replay.forking.exchanges import Late
from replay.forking.questions import pending_of
from replay.forking.result import Outcome, Question

_SUPERSEDED = "it makes room for a newer run, or for an operator"
_HOOKS = {"pre": "pre-action", "post": "post-action", "onFailure": "on-failure action"}


def operation_of(state: State) -> str:
    """What is pending in the words of messages."""
    pending = pending_of(state)
    if isinstance(pending.event, e.ActionIntended):
        return _HOOKS[pending.event.hook]
    return OPERATION_WORDS[pending.operation]


def waits(state: State, late: Late) -> tuple[str, str, str]:
    """A question that time alone would answer: the question, why it is open, and what was known last."""
    pending = pending_of(state)
    deadline: Any = getattr(pending.event, "deadline", "")
    then_ms = pending.since_ms + late.exchange.allowed_ms
    known: str = getattr(late.exchange.answer.event, "message", "")
    what = (
        f"stage {pending.stage}" if pending.operation == "verify" else f"action {getattr(pending.event, 'action', '')}"
    )
    does = "become ready" if pending.operation == "verify" else "end"
    if late.more:
        asks = f"does {what} {does} between {to_text(then_ms)} and {deadline}?"
        return asks, f"the recording ends its wait at {to_text(then_ms)}", known
    return f"how far is {what} at {deadline}?", "the recording tells of a later moment only", known


def ended(state: State, question: Question | None, *, run: str) -> tuple[Outcome, str]:
    """The outcome of a run, and a sentence."""
    if question is not None:
        return _stopped(state, question)
    if state.run is None or state.run.id != run:
        return "superseded", _SUPERSEDED
    if state.phase == Phase.FAILED and state.failure is not None:
        failure = state.failure
        return "failed", f"it fails: stage {failure.stage}: {failure.operation}: {failure.message}"
    if state.phase == Phase.RELEASED:
        return "released", "it is torn down, and the StageSet is released"
    if state.phase == Phase.READY:
        count = len(state.run.plans) if state.run is not None else 0
        return "succeeded", f"it succeeds: {'the stage is' if count == 1 else f'all {count} stages are'} ready"
    return ("superseded", _SUPERSEDED) if state.resting else ("open", "it has not come to an end there")


def _stopped(state: State, question: Question) -> tuple[Outcome, str]:
    named = f"{question.action}: " if question.action else ""
    where = f"stage {question.stage}: {question.operation}: {named}"
    pending = pending_of(state)
    deadline: Any = getattr(pending.event, "deadline", "")
    if question.known and deadline:
        return "waiting", f"{where}it is waited for until {deadline}; known last: {question.known}"
    return "open", f"{where}it goes on to a question that is open: {question.asks}"
