"""The phases of a StageSet and the whole table of moves between them.

Rules
  - A phase in *-ING waits for the answer to one intent; every other phase has a next decision or is at rest.
  - At most one intent is unanswered. An answer moves the phase by its outcome: ok, or anything else.
  - FAILING is reached from every operation and leads to FAILED alone: the first failure halts the run.
  - An action leads back to where it began; what has passed is in the run, not in the phase.
  - A run that is at work is left early only by `run.superseded`.
  - An absent pair is a bug and raises.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a StageSet stands."""

    #: nothing has run yet, or the last run was superseded
    IDLE = "idle"
    #: a run is open and between two stages
    OPENED = "opened"
    STARTED = "started"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    #: an action before the stage is performed
    PRE_ACTING = "pre-acting"
    FETCHING = "fetching"
    FETCHED = "fetched"
    BUILDING = "building"
    BUILT = "built"
    APPLYING = "applying"
    APPLIED = "applied"
    #: what is in the way of an apply is known, proved, and to be replaced
    CONFLICTED = "conflicted"
    REPLACING = "replacing"
    #: it is gone and must exist again, whatever else is wanted by now
    REPLACED = "replaced"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    #: a later stage is rendered ahead of its turn, to know which objects move there instead of being pruned
    LOOKING_FETCH = "looking-fetch"
    LOOKING_FETCHED = "looking-fetched"
    LOOKING_BUILD = "looking-build"
    PRUNING = "pruning"
    PRUNED = "pruned"
    #: an action after the stage is performed
    POST_ACTING = "post-acting"
    POSTED = "posted"
    FAILING = "failing"
    HALTED = "halted"
    #: an action that follows a failure is performed; whatever comes of it, the run stays halted
    FAILURE_ACTING = "failure-acting"
    FAILED = "failed"
    READY = "ready"
    #: torn down; the finalizer may go once this is recorded
    RELEASING = "releasing"
    RELEASED = "released"


class Absent(AssertionError):
    """A move that the table does not have: a bug of ours."""


P = Phase
RESTING = frozenset({P.IDLE, P.FAILED, P.READY, P.RELEASED})

_OPERATIONS = {
    # intent             from          answered by            at work       ok          else
    "connect": ((P.STARTED,), P.CONNECTING, P.CONNECTED),
    "fetch": ((P.CONNECTED,), P.FETCHING, P.FETCHED),
    "build": ((P.FETCHED,), P.BUILDING, P.BUILT),
    "apply": ((P.BUILT, P.REPLACED), P.APPLYING, P.APPLIED),
    "replace": ((P.CONFLICTED,), P.REPLACING, P.REPLACED),
    "verify": ((P.APPLIED,), P.VERIFYING, P.VERIFIED),
    "prune": ((P.VERIFIED, P.CONNECTED, P.POSTED), P.PRUNING, P.PRUNED),
}

_ACTIONS = {
    # from                                 at work           when it is over
    (P.CONNECTED,): (P.PRE_ACTING, P.CONNECTED),
    (P.VERIFIED, P.PRUNED, P.POSTED): (P.POST_ACTING, P.POSTED),
    (P.HALTED,): (P.FAILURE_ACTING, P.HALTED),
}

TABLE: dict[tuple[Phase, str], Phase] = {
    **{(phase, "run.opened"): P.OPENED for phase in (P.IDLE, P.FAILED, P.READY)},
    **{(phase, "run.superseded"): P.IDLE for phase in Phase if phase not in RESTING},
    (P.OPENED, "stage.started"): P.STARTED,
    (P.OPENED, "run.succeeded"): P.READY,
    (P.OPENED, "stageset.released"): P.RELEASED,
    (P.IDLE, "stageset.released"): P.RELEASED,
    # A teardown that may not take any longer leaves behind what it could not delete.
    (P.FAILED, "stageset.released"): P.RELEASED,
    # It was reached another way than before, and it is another cluster.
    (P.CONNECTED, "stage.failed"): P.HALTED,
    (P.BUILT, "stage.failed"): P.HALTED,
    (P.APPLYING, "apply.finished:replace"): P.CONFLICTED,
    # It was replaced in this run and is in the way again.
    (P.CONFLICTED, "stage.failed"): P.HALTED,
    (P.CONFLICTED, "stage.transferred"): P.CONFLICTED,
    (P.APPLIED, "stage.transferred"): P.APPLIED,
    (P.FAILING, "stage.transferred"): P.FAILING,
    # Looking ahead: only whether it worked matters, and not having been able to look is an answer too.
    (P.VERIFIED, "fetch.intended"): P.LOOKING_FETCH,
    (P.LOOKING_FETCH, "fetch.finished"): P.LOOKING_FETCHED,
    (P.LOOKING_FETCH, "fetch.finished:failed"): P.VERIFIED,
    (P.LOOKING_FETCHED, "build.intended"): P.LOOKING_BUILD,
    (P.LOOKING_BUILD, "build.finished"): P.VERIFIED,
    (P.LOOKING_BUILD, "build.finished:failed"): P.VERIFIED,
    (P.VERIFIED, "stage.succeeded"): P.OPENED,
    (P.PRUNED, "stage.succeeded"): P.OPENED,
    (P.POSTED, "stage.succeeded"): P.OPENED,
    (P.CONNECTED, "stage.removed"): P.OPENED,
    (P.PRUNED, "stage.removed"): P.OPENED,
    (P.STARTED, "stage.removed"): P.OPENED,
    (P.FAILING, "stage.failed"): P.HALTED,
    (P.HALTED, "run.failed"): P.FAILED,
    (P.FAILED, "run.retry.scheduled"): P.FAILED,
}
for _froms, (_acting, _over) in _ACTIONS.items():
    TABLE |= {(phase, "action.intended"): _acting for phase in _froms}
    TABLE[_acting, "action.finished"] = _over
    # It has attempts left, or its outcome is not known: what follows is decided.
    TABLE[_acting, "action.finished:open"] = _over
    TABLE[_acting, "action.finished:failed"] = P.HALTED if _over == P.HALTED else P.FAILING
    if _over != P.HALTED:
        TABLE |= {(phase, "action.held"): P.FAILING for phase in _froms}
        # Too many failures: it is not tried again.
        TABLE |= {(phase, "stage.failed"): P.HALTED for phase in _froms}
for _name, (_before, _at_work, _done) in _OPERATIONS.items():
    TABLE |= {(phase, f"{_name}.intended"): _at_work for phase in _before}
    TABLE[_at_work, f"{_name}.finished"] = _done
    TABLE[_at_work, f"{_name}.finished:failed"] = P.FAILING


def moved(phase: Phase, signal: str) -> Phase:
    """The phase after a signal: an event's tag, with `:failed` where an outcome is not ok. Raises `Absent`."""
    try:
        return TABLE[phase, signal]
    except KeyError:
        raise Absent(f"no move from {phase} on {signal}") from None
