"""The hands: one function for each operation, from an intended effect to its answer.

Not decisions and not bookkeeping. Every failure that a user can cause becomes an answer; what is raised is a bug.
"""

from __future__ import annotations

from reconciler.adapters.hands.performer import Performer
from reconciler.adapters.hands.tools import Tools

__all__ = ["Performer", "Tools"]
