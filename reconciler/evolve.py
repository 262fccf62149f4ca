"""The fold: what an event makes of a state. Total over the vocabulary, pure, and without opinions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from ledger import events as e
from reconciler.actions import records
from reconciler.effects import Entry
from reconciler.folds import acting, drift, operations, runs, stages
from reconciler.state import State


def evolve(state: State, entry: Entry) -> State:
    """The state after an event. Raises `Absent` for a move that cannot happen."""
    after = HANDLERS[type(entry.event)](state, entry)
    return replace(after, version=entry.ver, now_ms=max(state.now_ms, entry.at_ms))


def _unchanged(state: State, entry: Entry) -> State:
    return state


HANDLERS: dict[type[e.Event], Callable[[State, Entry], State]] = {
    e.RunOpened: runs.run_opened,
    e.RunBlocked: runs.run_blocked,
    e.RunSucceeded: runs.run_succeeded,
    e.RunFailed: runs.run_failed,
    e.RunSuperseded: runs.run_superseded,
    e.RunRetryScheduled: runs.retry_scheduled,
    e.OperatorSuspended: runs.suspended,
    e.OperatorResumed: runs.resumed,
    e.StageSetReleased: runs.released,
    e.StageStarted: stages.stage_started,
    e.StageSucceeded: stages.stage_succeeded,
    e.StageFailed: stages.stage_failed,
    e.StageRemoved: stages.stage_removed,
    e.StageTransferred: stages.stage_transferred,
    e.ConnectIntended: operations.intended,
    e.FetchIntended: operations.intended,
    e.BuildIntended: operations.intended,
    e.ApplyIntended: operations.apply_intended,
    e.ReplaceIntended: operations.intended,
    e.VerifyIntended: operations.intended,
    e.PruneIntended: operations.intended,
    e.ConnectFinished: operations.connect_finished,
    e.FetchFinished: operations.fetch_finished,
    e.BuildFinished: operations.build_finished,
    e.ApplyFinished: operations.apply_finished,
    e.ReplaceFinished: operations.replace_finished,
    e.VerifyFinished: operations.answered,
    e.PruneFinished: operations.prune_finished,
    e.DriftObserved: drift.drift_observed,
    # Seen and kept for people and for later decisions; they move nothing by themselves.
    e.VerifyObserved: _unchanged,
    e.TimerFired: _unchanged,
    e.ActionIntended: acting.action_intended,
    e.ActionObserved: acting.action_observed,
    e.ActionFinished: acting.action_finished,
    e.ActionRetryScheduled: acting.action_retry_scheduled,
    e.ActionSkipped: records.skipped,
    e.ActionHeld: acting.action_held,
    e.ActionRevoked: records.revoked,
    e.ActionAdopted: records.adopted,
    e.OperatorRequested: records.requested,
    e.OperatorResolved: records.resolved,
    e.StageSetAdopted: records.world_adopted,
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
