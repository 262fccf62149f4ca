"""Actions at work: where a run goes from their intents and answers. Their books are kept by `reconciler.actions`."""

from __future__ import annotations

from msgspec.structs import replace

from ledger import events as e
from ledger.instant import to_ms
from reconciler.actions import records
from reconciler.actions.deciding import attempts_left
from reconciler.effects import Entry
from reconciler.folds.operations import intended
from reconciler.state import Failure, State, run_of
from reconciler.transitions import Phase, moved


def action_intended(state: State, entry: Entry) -> State:
    return records.begun(intended(state, entry), entry)


def action_observed(state: State, entry: Entry) -> State:
    return records.observed(state, entry)


def action_finished(state: State, entry: Entry) -> State:
    event, pending = entry.event, state.pending
    assert isinstance(event, e.ActionFinished)
    assert pending is not None, "an answer without an intent"
    assert pending.intent == entry.intent, "an answer to another intent"
    action = records.action_plan(run_of(state), entry.idem)
    assert action is not None, "an answer to an action that the run does not have"
    after = replace(records.finished(state, entry), pending=None)
    if entry.ok:
        return replace(after, phase=moved(state.phase, "action.finished"))
    again = attempts_left(state, action, entry.outcome, retryable=event.retryable, now_ms=entry.at_ms)
    if again or entry.outcome == "indeterminate":
        return replace(after, phase=moved(state.phase, "action.finished:open"))
    after = replace(records.given_up(after, entry), phase=moved(state.phase, "action.finished:failed"))
    if after.phase != Phase.FAILING:
        # The failure that the action followed stays the one that is shown.
        return after
    failure = Failure(
        stage=entry.stage,
        operation=action.operation,
        reason=event.reason,
        message=f"{action.name}: {event.message}",
        retryable=event.retryable,
    )
    return replace(after, failure=failure)


def action_retry_scheduled(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.ActionRetryScheduled)
    return records.paused(state, to_ms(event.due))


def action_held(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.ActionHeld)
    action = records.action_plan(run_of(state), entry.idem)
    assert action is not None, "an action is held that the run does not have"
    failure = Failure(
        stage=entry.stage, operation=action.operation, reason="ActionHeld", message=event.message, retryable=False
    )
    return replace(state, phase=moved(state.phase, "action.held"), failure=failure)
