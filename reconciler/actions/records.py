"""What records make of actions: which are done, which are open, which are in doubt. Part of the fold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ledger import events as e
from ledger.instant import to_text
from reconciler import digests
from reconciler.effects import Entry
from reconciler.state import (
    Act,
    ActionPlan,
    Attempt,
    Completion,
    Owned,
    Reopened,
    Run,
    Shown,
    StageState,
    State,
    completion_key,
    plan_of,
    run_of,
)

#: What a ledger that is behind the world says of actions that the world does not show as done.
BEHIND = "the ledger is older than the world, and nothing shows whether the action ran since"


def action_plan(run: Run, key: str) -> ActionPlan | None:
    """The plan of an action of the run by its key."""
    return next((action for plan in run.plans for action in plan.actions if action.key == key), None)


def begun(state: State, entry: Entry) -> State:
    """An action is about to act: from here on it may have, whatever happens to us."""
    run = run_of(state)
    event: Any = entry.event
    known = state.acts.get(entry.idem) or Act(stage=entry.stage, name=event.action)
    before = run.attempt
    first = before is None or before.key != entry.idem
    attempt = Attempt(
        key=entry.idem,
        number=entry.attempt,
        begun_ms=entry.at_ms if first or before is None else before.begun_ms,
    )
    return replace(state, acts={**state.acts, entry.idem: known}, run=replace(run, attempt=attempt))


def observed(state: State, entry: Entry) -> State:
    """Objects that an action is about to touch, or made. What it made belongs to the stage from now on."""
    event: Any = entry.event
    return _noted(state, entry.idem, event.objects)


def _noted(state: State, key: str, items: Iterable[e.Item]) -> State:
    act = state.acts[key]
    act = replace(act, objects={**act.objects, **{item.id: item for item in items}})
    after = replace(state, acts={**state.acts, key: act})
    made = {item.id: _made(item, key) for item in items if item.uid and item.action == "created"}
    if not made or act.stage not in state.stages:
        return after
    stage = state.stages[act.stage]
    return _with_stage(after, replace(stage, owned={**stage.owned, **made}))


def _made(item: e.Item, key: str) -> Owned:
    return Owned(
        id=item.id, v=item.v, uid=item.uid, rv=item.rv, generation=item.generation, digest=item.digest, action=key
    )


def finished(state: State, entry: Entry) -> State:
    """The bookkeeping of an action's outcome; where the run goes from there is the caller's."""
    event, run = entry.event, run_of(state)
    assert isinstance(event, e.ActionFinished)
    state = _noted(state, entry.idem, event.objects)
    action = action_plan(run, entry.idem)
    assert action is not None, "the outcome of an action that the run does not have"
    if entry.ok:
        return _completed(state, action, entry, anchor=event.anchor)
    act = state.acts[entry.idem]
    doubt = entry.ver if entry.outcome == "indeterminate" else 0
    return replace(state, acts={**state.acts, entry.idem: replace(act, doubt=doubt, message=event.message)})


def _completed(state: State, action: ActionPlan, entry: Entry, *, anchor: e.Item | None) -> State:
    acts = {key: act for key, act in state.acts.items() if key != entry.idem}
    run = run_of(state)
    passed = replace(run, passed=(*run.passed, entry.idem), attempt=None)
    state = replace(state, acts=acts, run=passed)
    if action.scope == "Lifetime":
        done = Completion(stage=entry.stage, action=action.name, at=to_text(entry.at_ms), anchor=anchor)
        return _complete(state, done)
    return replace(state, done={**state.done, entry.idem: entry.ver})


def _complete(state: State, done: Completion) -> State:
    key = completion_key(done.stage, done.action)
    strikes = {name: count for name, count in state.strikes.items() if name != key}
    return replace(state, completions={**state.completions, key: done}, strikes=strikes)


def given_up(state: State, entry: Entry) -> State:
    """The last attempt failed: a Lifetime action remembers it, an onFailure action is done with."""
    run, action = run_of(state), action_plan(run_of(state), entry.idem)
    assert action is not None
    state = replace(state, run=replace(run, attempt=None))
    if action.hook == "onFailure":
        return passed(state, action.key)
    if action.scope != "Lifetime":
        return state
    key = completion_key(entry.stage, action.name)
    return replace(state, strikes={**state.strikes, key: state.strikes.get(key, 0) + 1})


def passed(state: State, key: str) -> State:
    """Nothing is to be done for an action any more in this run."""
    run = run_of(state)
    return replace(state, run=replace(run, passed=(*run.passed, key), attempt=None))


def skipped(state: State, entry: Entry) -> State:
    return passed(state, entry.idem)


def paused(state: State, due_ms: int) -> State:
    """The next attempt waits for a time."""
    run = run_of(state)
    assert run.attempt is not None, "a pause without an attempt"
    return replace(state, run=replace(run, attempt=replace(run.attempt, due_ms=due_ms)))


def revoked(state: State, entry: Entry) -> State:
    """A completion counts no more."""
    event: Any = entry.event
    run, name = run_of(state), event.action

    def renewed(action: ActionPlan) -> ActionPlan:
        if action.scope != "Lifetime" or action.name != name:
            return action
        key = digests.action_key(state.stream, entry.stage, action.hook, name, f"Lifetime/{entry.ver}")
        return replace(action, key=key)

    # Performed again it goes by another key, in this run already.
    plans = tuple(
        replace(plan, actions=tuple(map(renewed, plan.actions))) if plan.name == entry.stage else plan
        for plan in run.plans
    )
    after = _revoke(state, completion_key(entry.stage, name), entry.ver)
    return replace(after, run=replace(run, plans=plans))


def _revoke(state: State, key: str, ver: int) -> State:
    completions = {name: done for name, done in state.completions.items() if name != key}
    return replace(state, completions=completions, revoked={**state.revoked, key: ver})


def adopted(state: State, entry: Entry) -> State:
    """A completion that was shown elsewhere."""
    event: Any = entry.event
    done = Completion(
        stage=entry.stage,
        action=event.action,
        origin=event.origin,
        at=event.completed_at or to_text(entry.at_ms),
        source=event.source,
        anchor=event.anchor,
    )
    return _complete(state, done)


def requested(state: State, entry: Entry) -> State:
    """Somebody asked for something once."""
    event: Any = entry.event
    state = replace(state, handled={**state.handled, event.request: event.token})
    if event.request == "reconcile-stage":
        stage, _, token = event.token.partition("@")
        plan = plan_of(state.run, stage) if state.run is not None else None
        if plan is None:
            return state
        again = Reopened(digest=plan.digest, token=token)
        return replace(state, asked="request", reopened={**state.reopened, stage: again})
    if event.request == "reset-ledger":
        return replace(_revoke(state, event.token.rpartition("@")[0], entry.ver), asked="request")
    return state


def resolved(state: State, entry: Entry) -> State:
    """An operator's word on actions whose outcome was unknown."""
    event = entry.event
    assert isinstance(event, e.OperatorResolved)
    state = replace(state, handled={**state.handled, "resolve": event.token}, asked="request")
    for key, act in list(state.acts.items()):
        if (act.stage, act.name) == (entry.stage, event.action) and act.doubt:
            state = _answered(state, key, entry)
    return state


def _answered(state: State, key: str, entry: Entry) -> State:
    event: Any = entry.event
    acts = {name: act for name, act in state.acts.items() if name != key}
    state = replace(state, acts=acts)
    if event.answer != "done":
        return state
    action = action_plan(state.run, key) if state.run is not None else None
    if action is not None and action.scope == "Lifetime":
        source = f"operator: {event.reason}"
        done = Completion(stage=entry.stage, action=event.action, at=to_text(entry.at_ms), source=source)
        return _complete(state, done)
    return replace(state, done={**state.done, key: entry.ver})


def world_adopted(state: State, entry: Entry) -> State:
    """The world shows more than this stream has: take over what is shown, and remember what is not ruled out."""
    event = entry.event
    assert isinstance(event, e.StageSetAdopted)
    state = replace(
        state,
        adopted=f"{event.shown_version}:{event.shown_head}",
        asked="restored",
        shown={
            one.name: Shown(ver=entry.ver, executed=tuple(one.executed), revision=one.executed_revision)
            for one in event.stages
        }
        or {"": Shown(ver=entry.ver)},
    )
    for one in event.stages:
        state = _with_stage(state, _merged(state.stages.get(one.name), one))
    for done in event.completions:
        known = state.completions.get(completion_key(done.stage, done.action))
        if known is None:
            source = f"StageLedger, when the ledger was found at version {entry.ver - 1}"
            at, anchor = done.completed_at, done.anchor
            new = Completion(
                stage=done.stage, action=done.action, origin=done.origin, at=at, source=source, anchor=anchor
            )
            state = _complete(state, new)
    return state


def _merged(known: StageState | None, shown: e.StageShown) -> StageState:
    known = known or StageState(name=shown.name, position=shown.position, service_account=shown.service_account)
    owned = {item.id: Owned(id=item.id, v=item.v, uid=item.uid) for item in shown.objects}
    return replace(known, revision=known.revision or shown.revision, owned={**owned, **known.owned})


def proved(state: State, run: Run) -> State:
    """The first run after the world was found ahead: what it showed is done, what it did not show is in doubt."""
    if not state.shown:
        return state
    done, acts = dict(state.done), dict(state.acts)
    ver = max(shown.ver for shown in state.shown.values())
    for plan in run.plans:
        shown = state.shown.get(plan.name) or Shown(ver=ver)
        for action in plan.actions:
            if action.key in done or completion_key(plan.name, action.name) in state.completions:
                continue
            if action.scope != "Lifetime" and action.name in shown.executed and shown.revision == plan.pin.revision:
                done[action.key] = ver
                acts.pop(action.key, None)
            elif not action.repeatable:
                acts[action.key] = _doubted(acts.get(action.key), plan.name, action.name, ver=ver)
    return replace(state, done=done, acts=acts, shown={})


def _doubted(known: Act | None, stage: str, name: str, *, ver: int) -> Act:
    """An action that the world does not show as done. Where what it touched is on record, a look at it tells."""
    known = known or Act(stage=stage, name=name)
    if known.doubt or any(item.uid for item in known.objects.values()):
        return known
    return replace(known, doubt=ver, message=BEHIND)


def settled(state: State, stage: str) -> State:
    """A stage succeeded: what was begun for older snapshots of it and is known to have failed is of no use any more."""
    run = run_of(state)
    plan = plan_of(run, stage)
    current = {action.key for action in plan.actions} if plan is not None else set()
    acts = {key: act for key, act in state.acts.items() if act.stage != stage or key in current or act.doubt}
    return replace(state, acts=acts)


def _with_stage(state: State, stage: StageState) -> State:
    return replace(state, stages={**state.stages, stage.name: stage})
