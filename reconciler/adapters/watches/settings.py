"""Named limits of shared watches, in seconds and counts.

Not read from the environment: the values travel from settings. Invariant: nothing here makes a watch wait for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long a shared watch lives, and how patiently it tries."""

    #: A watch that nobody looks at any more is kept this long: a stage often comes back to the same kinds.
    grace_s: float = 30.0
    #: The pause after the first failure in a row; each further one doubles it, up to the limit.
    backoff_s: float = 0.8
    backoff_max_s: float = 30.0
    #: A watch that ended sooner than this, and brought nothing, counts as a failure.
    healthy_s: float = 5.0
    #: Between two rounds of GETs where listing or watching is forbidden.
    poll_s: float = 5.0
    #: After so many rounds, listing is tried again: rights may have been granted.
    polls_per_list: int = 12
    #: GETs in flight of one polling watch.
    polls_concurrent_max: int = 4


class Pace(NamedTuple):
    """The settings, with the chance and the time that they are used with."""

    settings: WatchSettings
    #: A number in [0, 1).
    jitter: Callable[[], float]
    #: Waits so many seconds.
    sleep: Callable[[float], Coroutine[Any, Any, None]]
