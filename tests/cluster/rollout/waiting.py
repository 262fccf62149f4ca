"""Waiting for a cluster: ask again and again until it is so, or say what was there instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
DEADLINE_S = 45.0
PAUSE_S = 0.1


def eventually(
    look: Callable[[], T],
    *,
    what: str,
    deadline_s: float = DEADLINE_S,
    show: Callable[[], Any] = str,
    pause_s: float = PAUSE_S,
) -> T:
    """The first true answer of `look`; AssertionError with `show()` if there is none in time."""
    give_up_at = time.monotonic() + deadline_s
    while not (found := look()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {deadline_s:g} s: {what}\n{show()}")
        time.sleep(pause_s)
    return found


def throughout(look: Callable[[], Any], *, seconds: float) -> None:
    """`look` asserts; it is asked for that long."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        look()
        time.sleep(PAUSE_S)
