"""The Clock port: what time it is. Nothing in the core asks it; the loop stamps facts with it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
