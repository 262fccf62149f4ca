"""Whose turn it is to be projected: one at a time for each StageSet, a few at once, again after a failure.

Not the projecting. Invariants: what changes meanwhile is one more turn, not a queue of them; who waits has no task, so
that ten thousand who wait at a start cost next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """`take(one)` takes a turn and returns the seconds until the next try; 0: it succeeded."""

    def __init__(
        self,
        take: Callable[[T], Awaitable[float]],
        *,
        at_once: int,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        self._take, self._at_once, self._sleep = take, at_once, sleep
        #: in the order of asking
        self._waiting: dict[T, None] = {}
        self._running: dict[T, asyncio.Task[None]] = {}
        self._pausing: dict[T, asyncio.Task[None]] = {}
        self._again: set[T] = set()
        self._closing = False

    def ask(self, one: T) -> None:
        """A turn is due; for one whose turn it is just now, another."""
        if one in self._running:
            self._again.add(one)
        elif one not in self._pausing:
            self._waiting[one] = None
            self._begin()

    def forget(self, one: T) -> None:
        """No turn is due any more; the one under way ends here."""
        self._waiting.pop(one, None)
        self._again.discard(one)
        for tasks in (self._running, self._pausing):
            task = tasks.pop(one, None)
            if task is not None:
                task.cancel()
        self._begin()

    async def close(self) -> None:
        """Let everybody who is due have one last turn; who fails now is left."""
        self._closing = True
        for one, pause in list(self._pausing.items()):
            pause.cancel()
            self._waiting[one] = None
        self._pausing.clear()
        self._begin()
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            one = next(iter(self._waiting))
            del self._waiting[one]
            self._running[one] = asyncio.ensure_future(self._turn(one))

    async def _turn(self, one: T) -> None:
        mine = asyncio.current_task()
        pause_s = 0.0
        try:
            pause_s = await self._take(one)
        finally:
            # Forgotten and asked for again meanwhile: another turn has taken this one's place.
            if self._running.get(one) is mine:
                del self._running[one]
                self._next(one, pause_s)
            self._begin()

    def _next(self, one: T, pause_s: float) -> None:
        again = one in self._again
        self._again.discard(one)
        if pause_s and not self._closing:
            self._pausing[one] = asyncio.ensure_future(self._pause(one, pause_s))
        elif again and not pause_s:
            self._waiting[one] = None

    async def _pause(self, one: T, seconds: float) -> None:
        await self._sleep(seconds)
        del self._pausing[one]
        self.ask(one)
