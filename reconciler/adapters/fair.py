"""Turns between tenants: whoever asks for a thousand things at once does not delay whoever asks for one.

Not a rate: nothing waits while there is room. A tenant is a namespace; the controller's own work is one too, without a
name. Invariants: no more than `at_once` are under way; of those who wait, one of the tenant with the fewest under way
is next, and among equals the one whose last turn is longest ago (max-min fairness).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_TENANT: ContextVar[str] = ContextVar("tenant", default="")


def working_for(tenant: str) -> None:
    """From now on the current task, and every task that it makes, works for this tenant."""
    _TENANT.set(tenant)


class FairLine(Generic[T]):
    """Those who wait for one of `at_once` places, and whose turn it is. Everything takes constant time."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        #: places that each tenant has taken; only those with any
        self._held: dict[str, int] = {}
        #: who waits, by tenant, in the order of asking
        self._waiting: dict[str, dict[T, None]] = {}
        #: tenants that wait, by the number of places that they have taken; whose turn is longest ago comes first
        self._lines: list[dict[str, None]] = [{} for _ in range(at_once + 1)]
        self._resting: set[str] = set()

    def add(self, tenant: str, one: T) -> None:
        """Wait for a turn; who waits already keeps the place."""
        self._waiting.setdefault(tenant, {}).setdefault(one)
        self._line_up(tenant)

    def remove(self, tenant: str, one: T) -> bool:
        """Wait no longer. False for one who does not wait: it has had its turn, or never asked."""
        waiting = self._waiting.get(tenant, {})
        if one not in waiting:
            return False
        self._drop(tenant, one)
        return True

    def take(self) -> tuple[str, T] | None:
        """Whose turn it is, which takes a place until `done`; None where nobody waits or there is no place."""
        line = next((line for line in self._lines if line), None) if self._free else None
        if line is None:
            return None
        tenant = next(iter(line))
        one = next(iter(self._waiting[tenant]))
        self._drop(tenant, one)
        self._free -= 1
        self._hold(tenant, 1)
        return tenant, one

    def done(self, tenant: str) -> None:
        """A place is free again."""
        self._free += 1
        self._hold(tenant, -1)

    def rest(self, tenant: str) -> None:
        """Give this tenant no turn until `resume`."""
        self._resting.add(tenant)
        self._lines[self._held.get(tenant, 0)].pop(tenant, None)

    def resume(self, tenant: str) -> None:
        """The tenant has turns again."""
        self._resting.discard(tenant)
        self._line_up(tenant)

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def _drop(self, tenant: str, one: T) -> None:
        waiting = self._waiting[tenant]
        del waiting[one]
        if not waiting:
            del self._waiting[tenant]
            self._lines[self._held.get(tenant, 0)].pop(tenant, None)

    def _hold(self, tenant: str, more: int) -> None:
        held = self._held.pop(tenant, 0)
        self._lines[held].pop(tenant, None)
        if held + more:
            self._held[tenant] = held + more
        self._line_up(tenant)

    def _line_up(self, tenant: str) -> None:
        if tenant in self._waiting and tenant not in self._resting:
            self._lines[self._held.get(tenant, 0)].setdefault(tenant)


class FairSlots:
    """A semaphore whose waiters take turns by tenant: that of the task, as `working_for` said."""

    def __init__(self, at_once: int) -> None:
        self._line: FairLine[asyncio.Future[None]] = FairLine(at_once)
        self._rests: dict[str, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Inside, one of the slots is taken."""
        tenant = _TENANT.get()
        turn = asyncio.get_running_loop().create_future()
        self._line.add(tenant, turn)
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have come in the same moment; then somebody else gets it.
            if not self._line.remove(tenant, turn):
                self._leave(tenant)
            raise
        try:
            yield
        finally:
            self._leave(tenant)

    async def in_thread(self, work: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Do work that keeps a processor busy, in a thread and in its turn."""
        async with self.turn():
            return await asyncio.to_thread(work, *args, **options)

    def rest(self, seconds: float) -> None:
        """Give the tenant of this task no turn for so many seconds; others go on, as does what is under way.

        The controller's own work never rests: its Lease must be renewed.
        """
        tenant = _TENANT.get()
        if not tenant or seconds <= 0:
            return
        loop = asyncio.get_running_loop()
        known = self._rests.get(tenant)
        if known is not None and known.when() >= loop.time() + seconds:
            return
        if known is not None:
            known.cancel()
        self._line.rest(tenant)
        self._rests[tenant] = loop.call_later(seconds, self._resume, tenant)

    def close(self) -> None:
        """Nobody rests any more."""
        for tenant, rest in list(self._rests.items()):
            rest.cancel()
            self._resume(tenant)

    def _resume(self, tenant: str) -> None:
        del self._rests[tenant]
        self._line.resume(tenant)
        self._grant()

    def _leave(self, tenant: str) -> None:
        self._line.done(tenant)
        self._grant()

    def _grant(self) -> None:
        while (taken := self._line.take()) is not None:
            _, turn = taken
            if not turn.done():
                turn.set_result(None)
