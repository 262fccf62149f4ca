"""The fold: what an event makes of a state. Total over the vocabulary, pure, and without opinions.

Nothing is decided here and nothing is refused but a move that the table of phases does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger import events as e
from ledger.instant import to_ms
from reconciler import digests
from reconciler.api import defaults
from reconciler.api.types import StageSetSpec
from reconciler.effects import Entry
from reconciler.state import (
    Blocked,
    Failure,
    Owned,
    Pending,
    Render,
    Run,
    StagePlan,
    StageState,
    State,
    Waiting,
)
from reconciler.transitions import Phase, moved

#: Words of messages, by operation.
OPERATION_WORDS = {
    "connect": "connect to target cluster",
    "fetch": "fetch artifact",
    "build": "build",
    "apply": "apply",
    "verify": "verify",
    "prune": "prune",
}


def evolve(state: State, entry: Entry) -> State:
    """The state after an event. Raises `Absent` for a move that cannot happen."""
    after = _HANDLERS[type(entry.event)](state, entry)
    return replace(after, version=entry.ver, now_ms=max(state.now_ms, entry.at_ms))


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _run_opened(state: State, entry: Entry) -> State:
    if not state.resting:
        waiting = Waiting(event=entry.event, at_ms=entry.at_ms, ver=entry.ver, run=entry.run)
        return replace(state, waiting=waiting)
    return _begin(state, entry.event, run=entry.run, at_ms=entry.at_ms)


def _begin(state: State, opened: Any, *, run: str, at_ms: int) -> State:
    plans = () if opened.trigger == "deletion" else _plans(opened)
    snapshot = digests.snapshot_digest(plan.digest for plan in plans)
    same = (
        state.run is not None
        and state.run.snapshot == snapshot
        and state.run.generation == opened.generation
        and opened.trigger != "request"
    )
    begun = Run(
        id=run,
        trigger=opened.trigger,
        snapshot=snapshot,
        generation=opened.generation,
        opened_ms=at_ms,
        spec=opened.spec,
        policy=opened.policy,
        plans=plans,
        removals=_removals(state, plans),
    )
    return replace(
        state,
        phase=moved(state.phase, "run.opened"),
        run=begun,
        pending=None,
        # A retry still shows why the last try failed, until it has its own outcome.
        failure=state.failure if same else None,
        failures=state.failures if same else 0,
        since_ms=state.since_ms if same and state.failure is not None else at_ms,
        retry_ms=0,
        teardown_since_ms=(state.teardown_since_ms or at_ms) if opened.trigger == "deletion" else 0,
        blocked=None,
        stages=_placed(state.stages, plans),
        requested_at=opened.requested_at or state.requested_at,
    )


def _plans(opened: e.RunOpened) -> tuple[StagePlan, ...]:
    spec = msgspec.convert(opened.spec, StageSetSpec)
    own = {pin.stage: pin for pin in opened.pins if not pin.action}
    return tuple(
        StagePlan(
            name=stage.name,
            pin=own[stage.name],
            digest=digests.stage_digest(stage.name, opened.pins),
            path=stage.path,
            service_account=defaults.service_account(spec, stage),
            prune=stage.prune,
            verify_timeout_ms=defaults.verify_timeout_ms(spec, stage),
        )
        for stage in spec.stages
        if stage.name in own
    )


def _removals(state: State, plans: tuple[StagePlan, ...]) -> tuple[str, ...]:
    """Stages that have something and are not wanted, last one first."""
    wanted = {plan.name for plan in plans}
    left = [stage for stage in state.stages.values() if stage.name not in wanted]
    return tuple(stage.name for stage in sorted(left, key=lambda stage: (-stage.position, stage.name)))


def _placed(stages: dict[str, StageState], plans: tuple[StagePlan, ...]) -> dict[str, StageState]:
    placed = dict(stages)
    for position, plan in enumerate(plans):
        known = placed.get(plan.name) or StageState(name=plan.name)
        placed[plan.name] = replace(known, position=position, prune=plan.prune, service_account=plan.service_account)
    return placed


def _run_blocked(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.RunBlocked)
    since_ms = state.blocked.since_ms if state.blocked is not None else entry.at_ms
    blocked = Blocked(reason=event.reason, message=event.message, generation=event.generation, since_ms=since_ms)
    return replace(state, blocked=blocked, requested_at=event.requested_at or state.requested_at)


def _run_succeeded(state: State, entry: Entry) -> State:
    run = _run(state)
    return replace(
        state,
        phase=moved(state.phase, "run.succeeded"),
        run=_ended(run),
        failure=None,
        failures=0,
        since_ms=entry.at_ms,
        applied={plan.pin.source: plan.pin.revision for plan in run.plans},
        ready_snapshot=run.snapshot,
        ready_generation=run.generation,
    )


def _run_failed(state: State, entry: Entry) -> State:
    return replace(
        state,
        phase=moved(state.phase, "run.failed"),
        run=_ended(_run(state)),
        failures=state.failures + 1,
        since_ms=state.since_ms if state.failures else entry.at_ms,
    )


def _run_superseded(state: State, entry: Entry) -> State:
    idle = replace(
        state,
        phase=moved(state.phase, "run.superseded"),
        run=_ended(_run(state)),
        pending=None,
        waiting=None,
        since_ms=entry.at_ms,
    )
    if state.waiting is None:
        return idle
    return _begin(idle, state.waiting.event, run=state.waiting.run, at_ms=state.waiting.at_ms)


def _ended(run: Run) -> Run:
    # What only the work needed is not carried through the quiet time after it.
    return replace(run, spec={}, renders={}, stage="", unseen=())


def _retry_scheduled(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.RunRetryScheduled)
    due = to_ms(event.due)
    return replace(state, phase=moved(state.phase, "run.retry.scheduled"), retry_ms=due)


def _suspended(state: State, entry: Entry) -> State:
    return replace(state, suspended=True, since_ms=entry.at_ms)


def _resumed(state: State, entry: Entry) -> State:
    return replace(state, suspended=False, blocked=None, since_ms=entry.at_ms)


def _released(state: State, entry: Entry) -> State:
    return replace(state, phase=moved(state.phase, "stageset.released"), run=_ended(_run(state)))


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _stage_started(state: State, entry: Entry) -> State:
    return replace(state, phase=moved(state.phase, "stage.started"), run=replace(_run(state), stage=entry.stage))


def _stage_succeeded(state: State, entry: Entry) -> State:
    run, before = _run(state), state.stages[entry.stage]
    # In its turn, or once more at the end of the run for what it had left behind.
    position = next(at for at, plan in enumerate(run.plans) if plan.name == entry.stage)
    plan, render = run.plans[position], run.renders[entry.stage]
    after = replace(
        before,
        digest=plan.digest,
        revision=plan.pin.revision,
        manifests=render.manifests,
        variables=render.variables,
        owned={key: _marked(owned, dropped=key not in render.versions) for key, owned in before.owned.items()},
    )
    return replace(
        state,
        phase=moved(state.phase, "stage.succeeded"),
        run=replace(run, done=max(run.done, position + 1), stage=""),
        stages={**state.stages, entry.stage: after},
    )


def _marked(owned: Owned, *, dropped: bool) -> Owned:
    return owned if owned.dropped == dropped else replace(owned, dropped=dropped)


def _stage_failed(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.StageFailed)
    failure = Failure(
        stage=entry.stage,
        operation=event.operation,
        reason=event.reason,
        message=event.message,
        retryable=event.retryable,
    )
    return replace(state, phase=moved(state.phase, "stage.failed"), failure=failure)


def _stage_removed(state: State, entry: Entry) -> State:
    run = _run(state)
    return replace(
        state,
        phase=moved(state.phase, "stage.removed"),
        run=replace(run, removals=tuple(name for name in run.removals if name != entry.stage), stage=""),
        stages={name: stage for name, stage in state.stages.items() if name != entry.stage},
    )


def _stage_transferred(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.StageTransferred)
    source = state.stages[event.source]
    moved_ids = {item.id for item in event.objects}
    left = {key: owned for key, owned in source.owned.items() if key not in moved_ids}
    return replace(
        state,
        phase=moved(state.phase, "stage.transferred"),
        stages={**state.stages, event.source: replace(source, owned=left)},
    )


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────


def _intended(state: State, entry: Entry) -> State:
    tag = e.tag_of(entry.event)
    pending = Pending(
        intent=entry.ver, operation=entry.event.OP, stage=entry.stage, event=entry.event, since_ms=entry.at_ms
    )
    return replace(state, phase=moved(state.phase, tag), pending=pending)


def _answered(state: State, entry: Entry) -> State:
    assert state.pending is not None, "an answer without an intent"
    assert state.pending.intent == entry.intent, "an answer to another intent"
    tag = e.tag_of(entry.event)
    after = replace(state, phase=moved(state.phase, tag if entry.ok else f"{tag}:failed"), pending=None)
    if after.phase != Phase.FAILING:
        return after
    event = entry.event
    assert isinstance(event, e.Finished)
    failure = Failure(
        stage=entry.stage,
        operation=OPERATION_WORDS[state.pending.operation],
        reason=event.reason,
        message=event.message,
        retryable=event.retryable,
    )
    return replace(after, failure=failure)


def _build_finished(state: State, entry: Entry) -> State:
    after, run, event = _answered(state, entry), _run(state), entry.event
    assert isinstance(event, e.BuildFinished)
    if entry.ok:
        render = Render(
            manifests=event.manifests,
            versions={item.id: item.v for item in event.objects},
            digests={item.id: item.digest for item in event.objects},
            variables=tuple(event.variables),
        )
        return replace(after, run=replace(run, renders={**run.renders, entry.stage: render}))
    if after.phase == Phase.VERIFIED:
        return replace(after, run=replace(run, unseen=(*run.unseen, entry.stage)))
    return after


def _fetch_finished(state: State, entry: Entry) -> State:
    after, run = _answered(state, entry), _run(state)
    if after.phase == Phase.VERIFIED:
        return replace(after, run=replace(run, unseen=(*run.unseen, entry.stage)))
    return after


def _apply_intended(state: State, entry: Entry) -> State:
    """From here on the objects may exist, whatever happens to us: they are claimed before they are made."""
    after, render = _intended(state, entry), _run(state).renders[entry.stage]
    owned = dict(state.stages[entry.stage].owned)
    for key, version in render.versions.items():
        if key not in owned:
            owned[key] = Owned(id=key, v=version)
    return _owning(after, entry.stage, owned)


def _apply_finished(state: State, entry: Entry) -> State:
    after, event = _answered(state, entry), entry.event
    assert isinstance(event, e.ApplyFinished)
    owned = dict(state.stages[entry.stage].owned)
    for item in event.objects:
        if item.uid:
            owned[item.id] = Owned(
                id=item.id, v=item.v, uid=item.uid, rv=item.rv, generation=item.generation, digest=item.digest
            )
    return _owning(after, entry.stage, owned)


def _prune_finished(state: State, entry: Entry) -> State:
    after, event = _answered(state, entry), entry.event
    assert isinstance(event, e.PruneFinished)
    gone = {item.id for item in event.objects if item.action in {"deleted", "gone", "released"}}
    owned = {key: value for key, value in state.stages[entry.stage].owned.items() if key not in gone}
    return _owning(after, entry.stage, owned)


def _owning(state: State, stage: str, owned: dict[str, Owned]) -> State:
    return replace(state, stages={**state.stages, stage: replace(state.stages[stage], owned=owned)})


def _unchanged(state: State, entry: Entry) -> State:
    return state


def _run(state: State) -> Run:
    assert state.run is not None, "no run is open"
    return state.run


_HANDLERS: dict[type[e.Event], Callable[[State, Entry], State]] = {
    e.RunOpened: _run_opened,
    e.RunBlocked: _run_blocked,
    e.RunSucceeded: _run_succeeded,
    e.RunFailed: _run_failed,
    e.RunSuperseded: _run_superseded,
    e.RunRetryScheduled: _retry_scheduled,
    e.OperatorSuspended: _suspended,
    e.OperatorResumed: _resumed,
    e.StageSetReleased: _released,
    e.StageStarted: _stage_started,
    e.StageSucceeded: _stage_succeeded,
    e.StageFailed: _stage_failed,
    e.StageRemoved: _stage_removed,
    e.StageTransferred: _stage_transferred,
    e.ConnectIntended: _intended,
    e.FetchIntended: _intended,
    e.BuildIntended: _intended,
    e.ApplyIntended: _apply_intended,
    e.VerifyIntended: _intended,
    e.PruneIntended: _intended,
    e.ConnectFinished: _answered,
    e.FetchFinished: _fetch_finished,
    e.BuildFinished: _build_finished,
    e.ApplyFinished: _apply_finished,
    e.VerifyFinished: _answered,
    e.PruneFinished: _prune_finished,
    # Seen and kept for people and for later decisions; they move nothing by themselves.
    e.VerifyObserved: _unchanged,
    e.DriftObserved: _unchanged,
    e.TimerFired: _unchanged,
    e.OperatorRequested: _unchanged,
    # Actions are refused by validation until they are decided here.
    e.ActionIntended: _intended,
    e.ActionObserved: _unchanged,
    e.ActionFinished: _answered,
    e.ActionSkipped: _unchanged,
    e.ActionHeld: _unchanged,
    e.ActionAdopted: _unchanged,
    e.OperatorResolved: _unchanged,
    # The ledger's own records are in a stream of their own.
    e.LedgerCreated: _unchanged,
    e.LedgerEpochOpened: _unchanged,
    e.LedgerBodiesErased: _unchanged,
}


def fold(stream: str, entries: Iterable[Entry]) -> State:
    """The state of a stream after these entries."""
    state = State(stream=stream)
    for entry in entries:
        state = evolve(state, entry)
    return state
