"""An event loop whose time is a number: nothing sleeps, the clock jumps to the next timer when nothing is ready.

No sockets, no threads, no clock of the machine: what would run in a thread runs on the spot. Invariant: the same
callbacks in the same order, whenever and wherever it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: Turns at one instant: more is a busy loop of ours.
SPINS_MAX = 50_000


class Stuck(RuntimeError):
    """Nothing is ready and nothing is due, or the loop turns and its time stands still."""


class _Selector(selectors.BaseSelector):
    """Waits for nothing but time."""

    def __init__(self) -> None:
        self.passing: Callable[[float | None], None] = lambda _: None

    def select(self, timeout: float | None = None) -> list[Any]:
        self.passing(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> dict[Any, Any]:
        return {}


class InstantLoop(asyncio.SelectorEventLoop):
    """Time in seconds since it was made."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        self._spins = 0
        selector = _Selector()
        super().__init__(selector)
        selector.passing = self._pass
        self._clock_resolution = 1e-7
        self.set_exception_handler(lambda _, __: None)

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def time(self) -> float:
        return self._passed_s

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """On the spot; the answer comes with the next turn."""
        done: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001 - whatever it is goes to whoever awaits it, as from a thread
            done.set_exception(error)
        else:
            done.set_result(result)
        return done

    def calm(self) -> None:
        """Start to count turns again."""
        self._spins = 0

    def _pass(self, timeout: float | None) -> None:
        if timeout is None:
            raise Stuck("nothing is ready and nothing is due")
        if timeout > 0:
            self._passed_s += timeout
            self._spins = 0
            return
        self._spins += 1
        if self._spins > SPINS_MAX:
            raise Stuck(f"the loop turned {SPINS_MAX} times without its time going on")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end in a loop of its own; whatever is left then ends with it."""
    loop = InstantLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main())
    finally:
        _clear(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _clear(loop: InstantLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.calm()
    if left:
        with contextlib.suppress(Stuck):
            loop.run_until_complete(asyncio.wait(left, timeout=1))


class InstantClock:
    """The Clock port on the loop that runs."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._began_s = asyncio.get_running_loop().time()

    def now_ms(self) -> int:
        return self._start_ms + int((asyncio.get_running_loop().time() - self._began_s) * 1000 + 0.5)
