"""Stages: started, succeeded, failed, removed, and objects that change hands between two of them."""

from __future__ import annotations

from msgspec.structs import replace

from ledger import events as e
from reconciler.actions import records
from reconciler.effects import Entry
from reconciler.state import Failure, Owned, State, run_of
from reconciler.transitions import moved


def stage_started(state: State, entry: Entry) -> State:
    return replace(state, phase=moved(state.phase, "stage.started"), run=replace(run_of(state), stage=entry.stage))


def stage_succeeded(state: State, entry: Entry) -> State:
    run, before = run_of(state), state.stages[entry.stage]
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
    succeeded = replace(
        state,
        phase=moved(state.phase, "stage.succeeded"),
        run=replace(run, done=max(run.done, position + 1), stage="", witnesses=()),
        stages={**state.stages, entry.stage: after},
    )
    return records.settled(succeeded, entry.stage)


def _marked(owned: Owned, *, dropped: bool) -> Owned:
    return owned if owned.dropped == dropped else replace(owned, dropped=dropped)


def stage_failed(state: State, entry: Entry) -> State:
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


def stage_removed(state: State, entry: Entry) -> State:
    run = run_of(state)
    return replace(
        state,
        phase=moved(state.phase, "stage.removed"),
        run=replace(run, removals=tuple(name for name in run.removals if name != entry.stage), stage=""),
        stages={name: stage for name, stage in state.stages.items() if name != entry.stage},
    )


def stage_transferred(state: State, entry: Entry) -> State:
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
