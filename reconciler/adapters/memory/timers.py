"""What is due when: a queue of named work items, driven by the caller's clock.

Not a scheduler: nothing runs by itself. Items are data (a handler's name and a key), so that a copy of the cluster can
share them. Equal times are served in the order of entry.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple


class Item(NamedTuple):
    """Work for `handler`, due at `due` (seconds of the cluster's clock)."""

    due: float
    number: int
    handler: str
    key: Any


class Timers:
    """A queue by due time."""

    def __init__(self) -> None:
        self._heap: list[Item] = []
        self._pending: set[tuple[str, Any, float]] = set()
        self._number = 0

    def add(self, due: float, handler: str, key: Any) -> None:
        """Adds an item; the same item for the same time is kept once."""
        if (handler, key, due) not in self._pending:
            self._pending.add((handler, key, due))
            self._number += 1
            heapq.heappush(self._heap, Item(due, self._number, handler, key))

    def next_due(self) -> float | None:
        return self._heap[0].due if self._heap else None

    def pop(self, now: float) -> Item | None:
        """The next item that is due at `now`."""
        if not self._heap or self._heap[0].due > now:
            return None
        item = heapq.heappop(self._heap)
        self._pending.discard((item.handler, item.key, item.due))
        return item
