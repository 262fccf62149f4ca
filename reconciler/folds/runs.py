"""Runs: opened, blocked, superseded, ended; and what operators say of the whole StageSet."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from ledger import events as e
from ledger.instant import to_ms
from reconciler import digests
from reconciler.actions import plans, records
from reconciler.api import defaults
from reconciler.api.types import StageSetSpec
from reconciler.effects import Entry
from reconciler.folds import drift
from reconciler.state import Blocked, Run, StagePlan, StageState, State, Waiting, run_of
from reconciler.transitions import moved


def run_opened(state: State, entry: Entry) -> State:
    if not state.resting:
        waiting = Waiting(event=entry.event, at_ms=entry.at_ms, ver=entry.ver, run=entry.run)
        return replace(state, waiting=waiting)
    return _begin(state, entry.event, run=entry.run, at_ms=entry.at_ms)


def _begin(state: State, opened: Any, *, run: str, at_ms: int) -> State:
    wanted = () if opened.trigger == "deletion" else _plans(state, opened)
    snapshot = digests.snapshot_digest(plan.digest for plan in wanted)
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
        plans=wanted,
        removals=_removals(state, wanted),
    )
    opening = replace(
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
        stages=_placed(state.stages, wanted),
        requested_at=opened.requested_at or state.requested_at,
        asked="",
        drifts=drift.at_the_beginning(state, opened),
        strikes={} if opened.trigger == "request" else state.strikes,
    )
    return records.proved(opening, begun)


def _plans(state: State, opened: e.RunOpened) -> tuple[StagePlan, ...]:
    spec = msgspec.convert(opened.spec, StageSetSpec)
    own = {pin.stage: pin for pin in opened.pins if not pin.action}
    return tuple(
        StagePlan(
            name=stage.name,
            pin=own[stage.name],
            digest=digests.stage_digest(stage.name, opened.pins),
            path=stage.path,
            service_account=defaults.service_account(spec, stage),
            kubeconfig=defaults.kubeconfig(spec),
            prune=stage.prune,
            verify_timeout_ms=defaults.verify_timeout_ms(spec, stage),
            actions=plans.plans_of(state, stage, opened.pins),
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


def run_blocked(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.RunBlocked)
    since_ms = state.blocked.since_ms if state.blocked is not None else entry.at_ms
    blocked = Blocked(reason=event.reason, message=event.message, generation=event.generation, since_ms=since_ms)
    return replace(state, blocked=blocked, requested_at=event.requested_at or state.requested_at)


def run_succeeded(state: State, entry: Entry) -> State:
    run = run_of(state)
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


def run_failed(state: State, entry: Entry) -> State:
    return replace(
        state,
        phase=moved(state.phase, "run.failed"),
        run=_ended(run_of(state)),
        failures=state.failures + 1,
        since_ms=state.since_ms if state.failures else entry.at_ms,
    )


def run_superseded(state: State, entry: Entry) -> State:
    idle = replace(
        state,
        phase=moved(state.phase, "run.superseded"),
        run=_ended(run_of(state)),
        pending=None,
        waiting=None,
        since_ms=entry.at_ms,
    )
    if state.waiting is None:
        return idle
    return _begin(idle, state.waiting.event, run=state.waiting.run, at_ms=state.waiting.at_ms)


def _ended(run: Run) -> Run:
    # What only the work needed is not carried through the quiet time after it.
    return replace(run, spec={}, renders={}, stage="", unseen=(), passed=(), attempt=None, witnesses=(), replacing=())


def retry_scheduled(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.RunRetryScheduled)
    due = to_ms(event.due)
    return replace(state, phase=moved(state.phase, "run.retry.scheduled"), retry_ms=due)


def suspended(state: State, entry: Entry) -> State:
    return replace(state, suspended=True, since_ms=entry.at_ms)


def resumed(state: State, entry: Entry) -> State:
    return replace(state, suspended=False, blocked=None, since_ms=entry.at_ms)


def released(state: State, entry: Entry) -> State:
    event = entry.event
    assert isinstance(event, e.StageSetReleased)
    return replace(
        state,
        phase=moved(state.phase, "stageset.released"),
        run=_ended(run_of(state)),
        left=tuple(event.left),
        left_why=event.why,
    )
