"""The Clock of the live controller: the machine's."""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time of this machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # noqa: TID251 (this is the clock that everything else is given)
