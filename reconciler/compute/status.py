"""`.status` of a StageSet as a projection of its state: deleting it loses nothing, writing it decides nothing.

Times are those of recorded events, so that the same state always gives the same bytes.
"""

from __future__ import annotations

from typing import Any

from ledger.chain import Head
from ledger.instant import to_text
from reconciler.actions.records import action_plan
from reconciler.api import reasons
from reconciler.compute import drift
from reconciler.compute.requests import held
from reconciler.decide import readable
from reconciler.folds.operations import OPERATION_WORDS
from reconciler.state import Run, StagePlan, State
from reconciler.transitions import Phase

#: Phases of a stage as the API shows them, by what is being done.
_SHOWN = {
    "connect": "Applying",
    "fetch": "Applying",
    "build": "Applying",
    "apply": "Applying",
    "verify": "Verifying",
    "prune": "Pruning",
}


#: Objects that a message names.
_NAMED_MAX = 10


def status_of(state: State, *, generation: int, head: Head) -> dict[str, Any]:
    """The whole status. `generation` is the StageSet's, `head` the stream's."""
    run = state.run
    status: dict[str, Any] = {
        "observedGeneration": _observed(state, generation),
        "conditions": _conditions(state, generation),
        "stages": _stages(state),
        "ledger": {"stream": state.stream, "version": state.version, "head": head.hash},
    }
    if state.requested_at:
        status["lastHandledReconcileAt"] = state.requested_at
    if run is not None and run.plans:
        status["lastAttemptedRevisions"] = {plan.pin.source: plan.pin.revision for plan in run.plans}
    if state.applied:
        status["lastAppliedRevisions"] = state.applied
    if state.handled:
        status["handledRequests"] = state.handled
    return status


def _observed(state: State, generation: int) -> int:
    seen = [state.run.generation] if state.run else []
    if state.blocked is not None:
        seen.append(state.blocked.generation)
    return min(max(seen, default=0), generation)


def ready_of(state: State) -> tuple[str, str, str]:
    """Status, reason and message of the Ready condition."""
    if state.suspended and not state.deleting:
        return "False", reasons.SUSPENDED, "suspended: nothing is changed until spec.suspend is false"
    if state.left:
        return "False", reasons.TEARDOWN_FORCED, _left(state)
    if state.blocked is not None:
        return "False", state.blocked.reason, state.blocked.message
    run, failure = state.run, state.failure
    if failure is not None:
        reason = reasons.ACTION_DIRTY if failure.reason == reasons.ACTION_DIRTY else reasons.STAGE_FAILED
        return "False", reason, f"stage {failure.stage}: {failure.operation}: {failure.message}"
    if run is None or state.phase == Phase.IDLE:
        return "Unknown", reasons.PROGRESSING, "waiting for the first run"
    if state.phase == Phase.READY:
        # What was released is there and works: that somebody changes it on purpose is said, and halts nobody.
        _, differs = drift.told(state)
        told = f"; {differs}" if differs else ""
        return "True", reasons.SUCCEEDED, f"{len(run.plans)} of {len(run.plans)} stages are ready{told}"
    return "Unknown", reasons.PROGRESSING, _progress(state, run)


def _left(state: State) -> str:
    """What a teardown leaves behind, in words."""
    more = f" and {len(state.left) - _NAMED_MAX} more" if len(state.left) > _NAMED_MAX else ""
    named = ", ".join(readable(item.id) for item in state.left[:_NAMED_MAX])
    return f"{len(state.left)} objects are left behind: {named}{more}: {state.left_why}"


def _progress(state: State, run: Run) -> str:
    if run.trigger == "deletion":
        return f"tearing down, {len(run.removals)} stages left"
    stage = (
        f"stage {run.stage} ({min(run.done + 1, len(run.plans))} of {len(run.plans)})" if run.stage else "next stage"
    )
    return f"{stage}: {_doing(state, run) or 'preparing'}"


def _doing(state: State, run: Run) -> str:
    """What is being done, in words."""
    attempt = run.attempt
    action = action_plan(run, attempt.key) if attempt is not None else None
    if action is not None and (state.pending is None or state.pending.operation == "action"):
        return f"{action.operation}: {action.name}{'' if state.pending else ' is tried again soon'}"
    return OPERATION_WORDS.get(state.pending.operation, "") if state.pending else ""


def _conditions(state: State, generation: int) -> list[dict[str, Any]]:
    status, reason, text = ready_of(state)
    conditions = [("Ready", status, reason, reasons.message(reason, text))]
    retrying = state.phase == Phase.FAILED and (state.failure is None or state.failure.retryable)
    stalled = (state.phase == Phase.FAILED and not retrying) or (
        state.blocked is not None and state.blocked.reason in {reasons.INVALID_SPEC, reasons.STALLED}
    )
    if not state.suspended and (not state.resting or retrying or (state.blocked is not None and not stalled)):
        progress = _progress(state, state.run) if state.run and not state.resting else text
        conditions.append(("Reconciling", "True", reasons.PROGRESSING, reasons.message(reasons.PROGRESSING, progress)))
    if stalled and not state.suspended:
        conditions.append(("Stalled", "True", reason, reasons.message(reason, text)))
    why, differs = drift.told(state)
    if differs:
        conditions.append(("Drifted", "True", why, reasons.message(why, differs)))
    since_ms = state.blocked.since_ms if state.blocked else state.since_ms
    return [
        {
            "type": kind,
            "status": value,
            "reason": why,
            "message": message,
            "lastTransitionTime": to_text(drift.since_ms(state) if kind == "Drifted" else since_ms)[:19] + "Z",
            "observedGeneration": generation,
        }
        for kind, value, why, message in conditions
    ]


def _stages(state: State) -> list[dict[str, Any]]:
    if state.run is None:
        return []
    shown = []
    for position, plan in enumerate(state.run.plans):
        known = state.stages.get(plan.name)
        entry: dict[str, Any] = {"name": plan.name, "phase": _phase(state, state.run, position, plan)}
        if known is not None and known.revision:
            entry["appliedRevision"] = known.revision
        if known is not None:
            entry["entriesCount"] = sum(1 for owned in known.owned.values() if owned.uid)
        entry |= _actions(state, plan)
        failure = state.failure
        if failure is not None and failure.stage == plan.name:
            entry["message"] = reasons.cut(f"{failure.operation}: {failure.message}", chars_max=4096)
        shown.append(entry)
    return shown


def _actions(state: State, plan: StagePlan) -> dict[str, Any]:
    """Which actions of a stage are done for its revision, and which are held."""
    done = [action.name for action in plan.actions if action.key in state.done]
    waiting = held(state).get(plan.name, ())
    entry: dict[str, Any] = {}
    if done:
        entry |= {"executedActions": done, "ledgerRevision": plan.pin.revision}
    if waiting:
        entry["heldActions"] = list(waiting)
    asked = state.handled.get("reconcile-stage", "")
    if asked.partition("@")[0] == plan.name:
        entry["lastHandledReconcileAt"] = asked
    return entry


def _phase(state: State, run: Run, position: int, plan: StagePlan) -> str:
    known = state.stages.get(plan.name)
    failed = state.failure is not None and state.failure.stage == plan.name
    if state.phase == Phase.READY or position < run.done:
        return "Ready"
    if run.stage == plan.name and not state.resting:
        operation = state.pending.operation if state.pending and state.pending.stage == plan.name else "prune"
        if state.phase in {Phase.FAILING, Phase.HALTED, Phase.FAILURE_ACTING}:
            return "Failed"
        return "Verifying" if state.phase in {Phase.POST_ACTING, Phase.POSTED} else _SHOWN.get(operation, "Applying")
    if failed:
        return "Failed"
    return "Ready" if known is not None and known.digest == plan.digest and state.resting else "Pending"
