"""The next decision about the actions of a hook, from the state alone."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from ledger import events as e
from ledger.envelope import Draft
from ledger.instant import to_text
from reconciler import digests
from reconciler.state import Act, ActionPlan, Attempt, Owned, State, completion_key, plan_of, run_of

#: Failures of a Lifetime action after which it is not tried again until somebody asks for it.
DIRTY_AFTER = 5
#: Pause after the n-th failed attempt: n times the first, at most the second, in milliseconds.
PAUSE_MS, PAUSE_MAX_MS = 500, 5_000


class Turn(NamedTuple):
    """Whether the hook is over, and if not, the next decision; none of both: time must pass."""

    over: bool
    draft: Draft | None = None


OVER, WAIT = Turn(True), Turn(False)


def turn(state: State, hook: e.Hook) -> Turn:
    """What a hook of the stage at work needs next."""
    run = run_of(state)
    stage = run.stage or (state.failure.stage if state.failure is not None else "")
    plan = plan_of(run, stage)
    for action in plan.actions if plan is not None else ():
        if action.hook == hook and action.key not in run.passed:
            return _turn(state, stage, action)
    return OVER


def _turn(state: State, stage: str, action: ActionPlan) -> Turn:
    attempt, act = run_of(state).attempt, state.acts.get(action.key)
    why = _recorded(state, stage, action)
    if why:
        return Turn(False, _draft(state, stage, action, e.ActionSkipped(hook=action.hook, action=action.name, why=why)))
    if act is not None and act.doubt:
        return Turn(False, _doubtful(state, stage, action, act))
    if action.scope == "Lifetime" and state.strikes.get(completion_key(stage, action.name), 0) >= DIRTY_AFTER:
        return Turn(False, _dirty(state, stage, action))
    if attempt is not None and attempt.key == action.key:
        if not attempt.due_ms:
            return Turn(False, _again_later(state, stage, action, attempt))
        if state.now_ms < attempt.due_ms:
            return WAIT
    return Turn(False, _intend(state, stage, action, attempt))


def _recorded(state: State, stage: str, action: ActionPlan) -> str:
    """Why an action need not be performed; empty where it must be."""
    if action.scope == "Lifetime":
        done = state.completions.get(completion_key(stage, action.name))
        if done is None:
            return ""
        return f"done once and for all: {done.origin}{f', {done.source}' if done.source else ''}"
    ver = state.done.get(action.key)
    return f"done on this snapshot, recorded at version {ver}" if ver is not None else ""


def _doubtful(state: State, stage: str, action: ActionPlan, act: Act) -> Draft:
    if action.hook == "onFailure":
        why = f"it may have run already: {act.message}"
        return _draft(state, stage, action, e.ActionSkipped(hook=action.hook, action=action.name, why=why))
    _, namespace, name, _ = state.stream.split("/", 3)
    message = (
        f"{action.name}: it is not known whether the action took effect, so it is not repeated: {act.message}. Find "
        f"out, then answer: stagesetctl resolve {name} -n {namespace} --stage {stage} --action {action.name} "
        '--as done|not-done --reason "…"'
    )
    return _draft(state, stage, action, e.ActionHeld(hook=action.hook, action=action.name, message=message))


def _dirty(state: State, stage: str, action: ActionPlan) -> Draft:
    message = (
        f"{action.name}: failed {DIRTY_AFTER} times and is not tried again by itself; correct its cause, then ask for "
        f"it: set the annotation reconcile.fluxcd.io/requestedAt to a new value"
    )
    failed = e.StageFailed(operation=action.operation, reason="ActionDirty", message=message, retryable=False)
    return _draft(state, stage, action, failed)


def _again_later(state: State, stage: str, action: ActionPlan, attempt: Attempt) -> Draft:
    due = to_text(state.now_ms + min(PAUSE_MS * attempt.number, PAUSE_MAX_MS))
    event = e.ActionRetryScheduled(hook=action.hook, action=action.name, due=due)
    return _draft(state, stage, action, event, attempt=attempt.number)


def _intend(state: State, stage: str, action: ActionPlan, before: Attempt | None) -> Draft:
    mine = before if before is not None and before.key == action.key else None
    begun_ms = mine.begun_ms if mine is not None else state.now_ms
    end_ms = begun_ms + action.timeout_ms if action.timeout_ms else state.now_ms + action.bound_ms
    event = e.ActionIntended(
        hook=action.hook,
        action=action.name,
        verb=action.verb,
        scope=action.scope,
        deadline=to_text(end_ms) if action.timeout_ms or action.bound_ms else "",
    )
    draft = _draft(state, stage, action, event, attempt=mine.number + 1 if mine is not None else 1)
    return replace(draft, req=digests.of(event))


def attempts_left(state: State, action: ActionPlan, outcome: str, *, retryable: bool, now_ms: int) -> bool:
    """Whether an action that failed just now is tried again within its hook."""
    attempt = run_of(state).attempt
    if outcome != "failed" or not retryable or attempt is None or attempt.number > action.retries:
        return False
    return not action.timeout_ms or now_ms < attempt.begun_ms + action.timeout_ms


def litter(state: State, stage: str) -> list[Owned]:
    """What actions made and nobody waits for any more: their end is recorded, or the actions are no longer wanted."""
    run = run_of(state)
    plan = plan_of(run, stage)
    names = {action.name for action in plan.actions} if plan is not None else set()
    current = {action.key for action in plan.actions} if plan is not None else set()
    held = {
        key
        for key, act in state.acts.items()
        if key in current or act.doubt or (act.name in names and any(unended(item) for item in act.objects.values()))
    }
    return [owned for owned in state.stages[stage].owned.values() if owned.action and owned.action not in held]


def unended(item: e.Item) -> bool:
    """Whether the end of an object that an action made has not been seen."""
    return bool(item.uid) and item.action not in {"complete", "failed", "gone", "deleted"}


def breakable(state: State) -> bool:
    """Whether the action that is pending may be broken off: it only waits, or has not touched anything yet."""
    pending = state.pending
    assert pending is not None
    event, act = pending.event, state.acts.get(pending.key)
    assert isinstance(event, e.ActionIntended)
    objects = list(act.objects.values()) if act is not None else []
    if event.verb == "wait":
        return True
    if event.verb == "job":
        # Nothing is created before its name is recorded, and what was created is found again.
        return not any(item.action == "planned" for item in objects)
    return event.verb == "apply" and bool(objects)


def _draft(state: State, stage: str, action: ActionPlan, event: e.Event, *, attempt: int = 0) -> Draft:
    run = run_of(state)
    return Draft(event=event, run=run.id, snapshot=run.snapshot, stage=stage, idem=action.key, attempt=attempt)
