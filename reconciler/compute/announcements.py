"""Which records are told to people as Kubernetes Events of a StageSet, and in which words (CONTRACT §2.3).

Not the Ready condition's own Events. Pure: the same record gives the same Event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger import events as e
from ledger.envelope import Draft
from reconciler.compute import drift
from reconciler.compute.drift import CORRECTED, DETECTED, FLAPPING
from reconciler.compute.kubeevents import Told
from reconciler.state import State

#: The ledger was found to be older than the world.
LEDGER_BEHIND = "LedgerBehind"


def announcement(draft: Draft, *, ver: int, state: Callable[[], State]) -> Told | None:
    """What people are told of a record; `None` for those that the status shows well enough.

    `ver` is its version; `state` gives the state after it.
    """
    match draft.event:
        case e.DriftObserved() | e.ApplyFinished():
            return _drift(draft, state(), ver)
        case e.ActionFinished(hook="onFailure", action=action, message=message) if draft.outcome != "ok":
            return _told("OnFailureAction", f"stage {draft.stage}: on-failure action: {action}: {message}", ver)
        case e.ActionHeld(message=message):
            return _told("ActionHeld", f"stage {draft.stage}: {message}", ver)
        case e.ActionRevoked(action=action, why=why):
            text = f"stage {draft.stage}: action {action} counts as not done any more: {why}"
            return _told("LedgerInvalidated", text, ver, kind="Normal")
        case e.ActionAdopted(action=action, source=source):
            text = f"stage {draft.stage}: action {action} counts as done, as {source} shows"
            return _told("LedgerAdopted", text, ver, kind="Normal")
        case e.StageSetAdopted(why=why):
            return _told(LEDGER_BEHIND, why, ver)
    return None


def _drift(draft: Draft, state: State, ver: int) -> Told | None:
    """What differs and is left so when it is seen, what is corrected once it is (CONTRACT §2.3, DriftCorrected)."""
    event, stage = draft.event, draft.stage
    if isinstance(event, e.ApplyFinished):
        items = drift.corrected(state, draft)
        text = f"stage {stage}: corrected what others had changed: {drift.subjects(state, items)}"
        return _told(CORRECTED, text, ver) if items else None
    assert isinstance(event, e.DriftObserved)
    left = [item for item in event.objects if item.id in drift.standing(state)]
    if event.mode == "Correct":
        text = f"stage {stage}: not corrected any more, because each correction was undone: "
        return _told(FLAPPING, text + drift.subjects(state, left), ver) if left else None
    text = f"stage {stage}: differs from what was applied: {drift.subjects(state, left)}"
    return _told(DETECTED, text, ver) if left else None


def _told(reason: str, message: str, ver: int, *, kind: Any = "Warning") -> Told:
    return Told(type=kind, reason=reason, message=message, cause=str(ver))
