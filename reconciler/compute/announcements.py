"""Which records are told to people as Kubernetes Events of a StageSet, and in which words (CONTRACT §2.3).

Not the Ready condition's own Events. Pure: the same record gives the same Event.
"""

from __future__ import annotations

from typing import Any

from ledger import events as e
from ledger.envelope import Draft
from reconciler.compute.kubeevents import Told

#: The ledger was found to be older than the world.
LEDGER_BEHIND = "LedgerBehind"
_NAMED_MAX = 10


def announcement(draft: Draft, *, ver: int) -> Told | None:
    """What people are told of a record; `None` for those that the status shows well enough. `ver` is its version."""
    match draft.event:
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
        case e.StageSetReleased(left=left) if left:
            more = f" and {len(left) - _NAMED_MAX} more" if len(left) > _NAMED_MAX else ""
            named = ", ".join(item.id for item in left[:_NAMED_MAX])
            text = f"{len(left)} objects are left behind: {named}{more}: {left[0].message}"
            return _told("TeardownForced", text, ver)
    return None


def _told(reason: str, message: str, ver: int, *, kind: Any = "Warning") -> Told:
    return Told(type=kind, reason=reason, message=message, cause=str(ver))
