"""How much of an action's time is left.

Not a timer. Invariant: an action that is taken up again after an absence that outlasted its deadline gets time for a
look at what became of it.
"""

from __future__ import annotations

from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.verify import LOOK_MS
from reconciler.errors import OperationError


def left_s(acting: Acting) -> float | None:
    """Seconds to wait for something, at least as long as a look takes on a later try; None without a deadline."""
    if not acting.deadline_ms:
        return None
    left_ms = acting.deadline_ms - acting.tools.clock.now_ms()
    return max(left_ms, 0 if acting.first else LOOK_MS) / 1000


def check_time(acting: Acting, what: str) -> None:
    """Raises `OperationError` where the deadline has passed, so that `what` is not begun any more."""
    if acting.deadline_ms and acting.tools.clock.now_ms() >= acting.deadline_ms:
        message = f"the action's time was over before {what}: raise its timeout"
        raise OperationError(message, reason="ActionTimeout", retryable=True)
