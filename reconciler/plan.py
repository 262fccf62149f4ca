"""What the world owes a StageSet, derived from its state alone: a crash is recovered by asking again."""

from __future__ import annotations

from reconciler.effects import Effect, Plan
from reconciler.state import State
from reconciler.transitions import Phase

#: Why an action wakes its StageSet: a pause between two attempts is over.
ACTION = "action"


def plan(state: State) -> Plan:
    """Effects that are intended and unanswered, and the time of the next try."""
    if state.pending is not None:
        pending = state.pending
        return Plan(effects=(Effect(pending.intent, pending.operation, pending.stage, pending.event, pending.key),))
    if not state.resting and state.run is not None and state.run.attempt is not None and state.run.attempt.due_ms:
        return Plan(wake_ms=state.run.attempt.due_ms, why=ACTION)
    if state.phase == Phase.FAILED and state.retry_ms and (state.deleting or not state.suspended):
        return Plan(wake_ms=state.retry_ms, why="retry")
    return Plan()
