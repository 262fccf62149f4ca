"""Rates: how often something happens in a second."""

from __future__ import annotations

import time
from collections.abc import Callable


def rate(times: int, work: Callable[[], object]) -> float:
    """Times a second, of work that does something `times` times."""
    start = time.perf_counter()
    work()
    return times / (time.perf_counter() - start)
