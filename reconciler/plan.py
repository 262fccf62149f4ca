"""What the world owes a StageSet, derived from its state alone: a crash is recovered by asking again."""

from __future__ import annotations

from reconciler.effects import Effect, Plan
from reconciler.state import State
from reconciler.transitions import Phase


def plan(state: State) -> Plan:
    """Effects that are intended and unanswered, and the time of the next try."""
    if state.pending is not None:
        pending = state.pending
        return Plan(effects=(Effect(pending.intent, pending.operation, pending.stage, pending.event),))
    if state.phase == Phase.FAILED and state.retry_ms and (state.deleting or not state.suspended):
        return Plan(wake_ms=state.retry_ms, why="retry")
    return Plan()
