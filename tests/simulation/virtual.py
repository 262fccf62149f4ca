"""An event loop whose time is a number: nothing sleeps, the clock jumps to the next timer when nothing is ready.

No threads and no sockets: what would run in a thread runs on the spot, in its turn. A loop that turns without its time
going on is a busy loop of ours and raises `Spinning`; one with nothing left to wait for raises `Stuck`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

#: 2030-01-01T00:00:00Z
EPOCH_S = 1_893_456_000.0
#: Turns of the loop at one instant: more is a busy loop.
SPINS_MAX = 20_000

#: Which incarnation of the controller a task or timer belongs to; 0: the world around it.
INCARNATION: contextvars.ContextVar[int] = contextvars.ContextVar("incarnation", default=0)

#: Bugs: what a task may not end with, whoever awaits it.
BUGS = (AssertionError, TypeError, KeyError, AttributeError, IndexError, ValueError, asyncio.InvalidStateError)


class Spinning(RuntimeError):
    """The loop turns and turns, and its time stands still."""


class Stuck(RuntimeError):
    """Nothing is ready and nothing is due: whoever waits waits for ever."""


class _Selector(selectors.BaseSelector):
    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        self.loop.pass_time(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def get_map(self) -> dict[Any, Any]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    """Deterministic: the same callbacks in the same order, whenever and wherever it runs."""

    def __init__(self) -> None:
        self._now = 0.0
        self._spins = 0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-7
        self.set_task_factory(self._made)
        self.set_exception_handler(self._handled)
        #: live tasks by incarnation, in the order they were made
        self.tasks: dict[int, dict[asyncio.Task[Any], None]] = {}
        #: what went wrong where nobody was told
        self.bugs: list[BaseException | str] = []
        #: called while many turns are taken at one instant
        self.on_spin: Callable[[], None] = lambda: None
        #: what incarnations that were stopped would do next
        self._held: dict[int, list[asyncio.Handle]] = {}

    def _make_self_pipe(self) -> None:
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def time(self) -> float:
        return self._now

    def pass_time(self, timeout: float | None) -> None:
        if timeout is None:
            raise Stuck("nothing is ready and nothing is due")
        if timeout > 0:
            self._now = max(self._now + timeout, self._scheduled[0]._when)
            self._spins = 0
            return
        self._spins += 1
        if self._spins > SPINS_MAX // 10:
            self.on_spin()
        if self._spins > SPINS_MAX:
            ready = [str(handle)[:200] for handle in list(self._ready)[:5]]
            raise Spinning(f"the loop turned {SPINS_MAX} times at {self._now:.3f} s; ready are {ready}")

    def calm(self) -> None:
        """Start to count turns again."""
        self._spins = 0

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """On the spot; the answer comes with the next turn."""
        done: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            done.set_exception(error)
        else:
            done.set_result(result)
        return done

    def _made(self, loop: Any, coro: Coroutine[Any, Any, Any], context: Any = None) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, context=context)
        mine = self.tasks.setdefault(INCARNATION.get(), {})
        mine[task] = None

        def ended(task: asyncio.Task[Any]) -> None:
            mine.pop(task, None)
            error = None if task.cancelled() else task.exception()
            if isinstance(error, BUGS):
                self.bugs.append(error)

        task.add_done_callback(ended)
        return task

    def _handled(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        message = str(context.get("message"))
        if error is None or isinstance(error, BUGS) or "never retrieved" not in message:
            self.bugs.append(error or message)

    # ── a process that is stopped (SIGSTOP): nothing of it runs, and nothing of it is lost ───────────────────────

    def freeze(self, incarnation: int) -> None:
        """Run nothing of an incarnation any more."""
        held = self._held.setdefault(incarnation, [])
        for place, handle in enumerate(self._ready):
            if _incarnation_of(handle) == incarnation:
                held.append(handle)
                # The loop may be in the middle of its turn, and counts on as many.
                self._ready[place] = asyncio.Handle(_nothing, (), self)

    def thaw(self, incarnation: int) -> None:
        """Go on where it was; timers that were due meanwhile ring now."""
        for handle in self._held.pop(incarnation, ()):
            if not handle.cancelled():
                self._ready.append(handle)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        if self._held and (incarnation := _incarnation_of(handle)) in self._held:
            self._ready.remove(handle)
            self._held[incarnation].append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        timer: list[asyncio.TimerHandle] = []

        def ring() -> None:
            if INCARNATION.get() not in self._held:
                callback(*args)
            elif not timer[0].cancelled():
                again = lambda: None if timer[0].cancelled() else callback(*args)  # noqa: E731
                self.call_soon(again)

        timer.append(super().call_at(when, ring, context=context))
        return timer[0]

    def drop_timers(self, incarnation: int) -> None:
        """Timers of an incarnation that was killed ring for nobody."""
        for handle in list(self._scheduled):
            if handle._context is not None and handle._context.get(INCARNATION, 0) == incarnation:
                handle.cancel()


def _nothing() -> None:
    pass


def _incarnation_of(handle: asyncio.Handle) -> int:
    return handle._context.get(INCARNATION, 0) if handle._context is not None else 0


class VirtualClock:
    """The Clock port on a virtual loop. `skew_ms` makes the wall clock wrong, or jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.skew_ms = 0

    def now_ms(self) -> int:
        return int((EPOCH_S + self._loop.time()) * 1000 + 0.5) + self.skew_ms


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run to the end in a loop of its own."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        _clear(loop)
        asyncio.set_event_loop(None)
        loop.close()


def _clear(loop: VirtualLoop) -> None:
    """Whatever a run that broke has left ends with it."""
    for _ in range(20):
        left = asyncio.all_tasks(loop)
        if not left:
            return
        for task in left:
            task.cancel()
        loop.calm()
        with contextlib.suppress(Spinning, Stuck):
            loop.run_until_complete(asyncio.wait(left, timeout=1))
