"""Whether what is seen of a StageSet calls for a fact: a run to open, a reason why none can be, a suspension.

Pure. Not the decision what a run does, only that one begins and why. Steady state gives `None`: nothing is appended.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger import events as e
from ledger.instant import to_text
from reconciler import digests
from reconciler.plan import ACTION, plan
from reconciler.state import State
from reconciler.transitions import Phase

#: Runs that bring about what an earlier run began to.
_ONGOING = frozenset({"retry", "drift"})


class Obstacle(NamedTuple):
    """Why no run can be opened: a Ready reason and a sentence."""

    reason: str
    message: str


class Seen(NamedTuple):
    """What the world shows of a StageSet just now."""

    generation: int
    #: the spec as the API server returned it
    spec: dict[str, Any]
    #: `reconcile.fluxcd.io/requestedAt`; empty without one
    requested_at: str
    suspend: bool
    deleting: bool
    #: settings of a run that would be opened now
    policy: dict[str, Any]
    #: the pins of all sources, in the order of the stages; `None` where they cannot be had
    pins: tuple[e.Pin, ...] | None
    #: why the spec, a source or a dependency does not allow a run; with a dependency in the way there may be pins
    obstacle: Obstacle | None = None
    #: owned objects differ from what was applied
    drifted: bool = False


def next_fact(state: State, seen: Seen, *, now_ms: int) -> e.Event | None:
    """The fact that should be recorded now, or `None`."""
    if state.phase == Phase.RELEASED:
        return None
    if seen.deleting:
        return _deletion(state, seen, now_ms=now_ms)
    if seen.suspend != state.suspended:
        return e.OperatorSuspended() if seen.suspend else e.OperatorResumed()
    if seen.suspend:
        return None
    trigger = _trigger(state, seen, now_ms=now_ms)
    if trigger is None:
        return _timer(state, now_ms=now_ms)
    pins = seen.pins
    if pins is None and trigger in _ONGOING and state.run is not None:
        # The artifacts of the last run are kept: it is tried again whatever their sources say by now.
        pins = tuple(pin for plan in state.run.plans for pin in plan.pins)
    if pins is None and seen.obstacle is None:
        # Not known yet: the sources have not been looked at.
        return None
    if pins is None or _held(seen, trigger):
        return _blocked(state, seen)
    return _open(seen, trigger, pins)


def _held(seen: Seen, trigger: e.Trigger) -> bool:
    """Whether an obstacle keeps a run from beginning. What was begun before goes on, unless the spec is at fault."""
    if seen.obstacle is None:
        return False
    return seen.obstacle.reason == "InvalidSpec" or trigger not in _ONGOING


def _timer(state: State, *, now_ms: int) -> e.Event | None:
    """The pause between two attempts of an action is over."""
    wanted = plan(state)
    if wanted.why != ACTION or now_ms < wanted.wake_ms:
        return None
    return e.TimerFired(timer=ACTION, due=to_text(wanted.wake_ms))


def _deletion(state: State, seen: Seen, *, now_ms: int) -> e.Event | None:
    waiting = state.waiting is not None and getattr(state.waiting.event, "trigger", "") == "deletion"
    retry = state.phase == Phase.FAILED and state.retry_ms and now_ms >= state.retry_ms
    if waiting or (state.deleting and not retry):
        return None
    return _open(seen, "deletion", ())


def _trigger(state: State, seen: Seen, *, now_ms: int) -> e.Trigger | None:
    if seen.requested_at and seen.requested_at != _requested(state):
        return "request"
    if state.asked and state.waiting is None:
        return state.asked
    generation, snapshot = _wanted(state)
    if seen.generation != generation:
        return "spec" if generation else "snapshot"
    if seen.pins is not None and _snapshot(seen) != snapshot:
        return "snapshot"
    if state.phase == Phase.IDLE and state.waiting is None:
        return "restored" if state.run else "snapshot"
    if state.blocked is not None and state.waiting is None and seen.pins is not None and seen.obstacle is None:
        return "restored"
    if state.phase == Phase.FAILED and state.retry_ms and now_ms >= state.retry_ms:
        return "retry"
    if state.phase == Phase.READY and seen.drifted:
        return "drift"
    return None


def _requested(state: State) -> str:
    waiting = state.waiting.event if state.waiting else None
    return (waiting.requested_at if isinstance(waiting, e.RunOpened) else "") or state.requested_at


def _wanted(state: State) -> tuple[int, str]:
    """Generation and snapshot that the newest opened run is for."""
    if state.waiting is not None and isinstance(state.waiting.event, e.RunOpened):
        opened = state.waiting.event
        return opened.generation, _snapshot_of(opened.spec, tuple(opened.pins))
    if state.run is None:
        return 0, ""
    return state.run.generation, state.run.snapshot


def _snapshot(seen: Seen) -> str:
    return _snapshot_of(seen.spec, seen.pins or ())


def _snapshot_of(spec: dict[str, Any], pins: tuple[e.Pin, ...]) -> str:
    names = [stage["name"] for stage in spec.get("stages", ())]
    return digests.snapshot_digest(digests.stage_digest(name, pins) for name in names)


def _blocked(state: State, seen: Seen) -> e.Event | None:
    obstacle, known = seen.obstacle, state.blocked
    assert obstacle is not None, "blocked without an obstacle"
    same = known is not None and (known.reason, known.message, known.generation) == (*obstacle, seen.generation)
    if same and (not seen.requested_at or seen.requested_at == state.requested_at):
        return None
    return e.RunBlocked(
        reason=obstacle.reason,
        message=obstacle.message,
        generation=seen.generation,
        requested_at=seen.requested_at,
    )


def _open(seen: Seen, trigger: e.Trigger, pins: tuple[e.Pin, ...]) -> e.Event:
    return e.RunOpened(
        trigger=trigger,
        generation=seen.generation,
        spec=seen.spec,
        pins=list(pins),
        policy=seen.policy,
        requested_at=seen.requested_at,
    )
