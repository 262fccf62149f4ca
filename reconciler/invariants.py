"""What must hold after every step, whatever happened. Checked in tests, in the simulation and in every replay.

Not validation of input: a violation is a bug of ours and raises `AssertionError` with its name from DESIGN §3.
"""

from __future__ import annotations

from reconciler.effects import Entry
from reconciler.state import State
from reconciler.transitions import RESTING, Phase

_AT_WORK = {
    Phase.CONNECTING: "connect",
    Phase.FETCHING: "fetch",
    Phase.BUILDING: "build",
    Phase.APPLYING: "apply",
    Phase.REPLACING: "replace",
    Phase.VERIFYING: "verify",
    Phase.PRUNING: "prune",
    Phase.PRE_ACTING: "action",
    Phase.POST_ACTING: "action",
    Phase.FAILURE_ACTING: "action",
    Phase.LOOKING_FETCH: "fetch",
    Phase.LOOKING_BUILD: "build",
}


def check(state: State) -> None:
    """Raise `AssertionError` where a state cannot be."""
    expected = _AT_WORK.get(state.phase)
    pending = state.pending.operation if state.pending else None
    assert expected == pending, f"I2: phase {state.phase} with {pending or 'nothing'} pending"
    assert (state.phase in RESTING) or state.run is not None, "a phase of work without a run"
    if state.run is not None:
        assert 0 <= state.run.done <= len(state.run.plans), "more stages done than planned"
        _check_order(state)
    if state.pending is not None and state.pending.operation == "action":
        assert state.pending.key not in state.done, "I3: an action is pending that is done"
    for key, act in state.acts.items():
        assert key not in state.done, f"I3: action {act.name} is open and done"
    if state.phase == Phase.FAILED:
        assert state.failure is not None, "a failed run without a failure"
    owners: dict[str, str] = {}
    for stage in state.stages.values():
        for key, owned in stage.owned.items():
            assert owned.id == key, "an object under another's id"
            if owned.uid:
                other = owners.setdefault(owned.uid, stage.name)
                assert other == stage.name or not state.resting, f"I7: {key} belongs to {other} and to {stage.name}"


def _check_order(state: State) -> None:
    run = state.run
    assert run is not None
    for position, plan in enumerate(run.plans):
        stage = state.stages.get(plan.name)
        assert stage is not None, f"planned stage {plan.name} is unknown"
        if position < run.done:
            assert stage.digest == plan.digest, f"I5: {plan.name} counts as done on another snapshot"


def check_move(before: State, entry: Entry, after: State) -> None:
    """Raise `AssertionError` where a step from one state to the next cannot be."""
    check(after)
    assert after.version == entry.ver, "the version of the state is not the event's"
    run = after.run
    if run is None or before.run is None or run.id != before.run.id:
        return
    at_work = run.done
    for position, plan in enumerate(run.plans):
        if position > at_work and plan.name in before.stages:
            now, then = after.stages[plan.name], before.stages[plan.name]
            assert now.digest == then.digest, f"I5: later stage {plan.name} was touched"
    _check_ownership(before, entry, after)
    _check_actions(before, entry, after)


def _check_actions(before: State, entry: Entry, after: State) -> None:
    """I3 and I4: what is done stays done, and nothing is intended that is done or in doubt."""
    assert before.done.keys() <= after.done.keys(), "I3: an action was forgotten"
    if type(entry.event).__name__ == "ActionIntended":
        assert entry.idem not in before.done, "I3: an action is performed again"
        act = before.acts.get(entry.idem)
        assert act is None or not act.doubt, "I4: an action in doubt is repeated"


def _check_ownership(before: State, entry: Entry, after: State) -> None:
    """I7: nothing leaves a stage's ownership but by a prune's answer, a transfer or the stage's removal."""
    allowed = {"PruneFinished", "StageTransferred", "StageRemoved"}
    if type(entry.event).__name__ in allowed:
        return
    for name, stage in before.stages.items():
        lost = stage.owned.keys() - after.stages[name].owned.keys() if name in after.stages else stage.owned.keys()
        assert not lost, f"I7: {sorted(lost)[:3]} left stage {name} by {type(entry.event).__name__}"
