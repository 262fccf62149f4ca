"""The Clock of the live controller: the machine's. And how long something took, which no wall clock can tell."""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time of this machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # noqa: TID251 (this is the clock that everything else is given)


def elapsed_s() -> float:
    """Seconds since some moment: never set back, and counted on while the process is stopped or the machine sleeps.

    asyncio's own time stands still while a machine sleeps, and uvloop's for as long as one callback takes.
    """
    # CLOCK_BOOTTIME is Linux's; elsewhere the machine's monotonic clock.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
