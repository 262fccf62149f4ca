"""Whose turn it is to be projected: one at a time for each StageSet, a few at once, again after a failure.

Not the projecting. Invariants: what changes meanwhile is one more turn, not a queue of them; who waits has no task, so
that ten thousand who wait at a start cost next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

from reconciler.adapters.fair import FairLine, working_for

T = TypeVar("T")


def _nobody(_: object) -> str:
    return ""


class Turns(Generic[T]):
    """`take(one)` takes a turn and returns the seconds until the next try; 0: it succeeded.

    Those who wait take turns by `tenant`.
    """

    def __init__(
        self,
        take: Callable[[T], Awaitable[float]],
        *,
        at_once: int,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
        tenant: Callable[[T], str] = _nobody,
    ) -> None:
        self._take, self._sleep, self._tenant = take, sleep, tenant
        self._waiting: FairLine[T] = FairLine(at_once)
        self._running: dict[T, asyncio.Task[None]] = {}
        self._pausing: dict[T, asyncio.Task[None]] = {}
        self._again: set[T] = set()
        self._closing = False

    def ask(self, one: T) -> None:
        """A turn is due; for one whose turn it is just now, another."""
        if one in self._running:
            self._again.add(one)
        elif one not in self._pausing:
            self._wait(one)
            self._begin()

    def forget(self, one: T) -> None:
        """No turn is due any more; the one under way ends here."""
        self._waiting.remove(self._tenant(one), one)
        self._again.discard(one)
        if one in self._running:
            self._ended(one).cancel()
        if one in self._pausing:
            self._pausing.pop(one).cancel()
        self._begin()

    async def close(self) -> None:
        """Let everybody who is due have one last turn; who fails now is left."""
        self._closing = True
        for one, pause in list(self._pausing.items()):
            pause.cancel()
            self._wait(one)
        self._pausing.clear()
        self._begin()
        while self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _wait(self, one: T) -> None:
        self._waiting.add(self._tenant(one), one)

    def _begin(self) -> None:
        while (taken := self._waiting.take()) is not None:
            _, one = taken
            self._running[one] = asyncio.ensure_future(self._turn(one))

    def _ended(self, one: T) -> asyncio.Task[None]:
        """The task of its turn, whose place is free again."""
        self._waiting.done(self._tenant(one))
        return self._running.pop(one)

    async def _turn(self, one: T) -> None:
        mine = asyncio.current_task()
        working_for(self._tenant(one))
        pause_s = 0.0
        try:
            pause_s = await self._take(one)
        finally:
            # Forgotten and asked for again meanwhile: another turn has taken this one's place.
            if self._running.get(one) is mine:
                self._ended(one)
                self._next(one, pause_s)
            self._begin()

    def _next(self, one: T, pause_s: float) -> None:
        again = one in self._again
        self._again.discard(one)
        if pause_s and not self._closing:
            self._pausing[one] = asyncio.ensure_future(self._pause(one, pause_s))
        elif again and not pause_s:
            self._wait(one)

    async def _pause(self, one: T, seconds: float) -> None:
        await self._sleep(seconds)
        del self._pausing[one]
        self.ask(one)
