"""What one subscriber has not yet been told, and how it is told.

Not a queue of events: it holds at most the latest state of each object, so a slow subscriber costs nothing and misses
nothing that still matters. Invariant: nothing is told before the first complete look at the scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from itertools import islice
from types import TracebackType
from typing import NamedTuple, Self

from reconciler.adapters.watches.store import Kept, Key, Store
from reconciler.errors import ClusterError

#: Changes that are told before others get their turn in the event loop.
TOLD_AT_ONCE = 200


class Change(NamedTuple):
    """The latest state of an object: as projected, or None when it does not exist."""

    key: Key
    object: Kept | None


class Subscription:
    """One subscriber of a shared watch; made by `Watches.subscribe`, ended by `close` or as a context manager.

    With `on_change` every change is told by calling it, from the event loop and never from inside `subscribe`. Without
    it, iterate: `async for change in subscription`. Both begin with the initial state: each object in the scope
    or, when `keys` were given, each of these, None for the absent ones. `snapshot` takes that state at once instead.
    """

    def __init__(
        self,
        store: Store,
        *,
        keys: Collection[Key] | None,
        on_change: Callable[[Key, Kept | None], None] | None,
        on_problem: Callable[[ClusterError | None], None] | None,
        leave: Callable[[Subscription], None],
    ) -> None:
        #: The objects that it wants to hear of; None: all in the scope.
        self.keys = None if keys is None else frozenset(keys)
        #: True once the scope, or all of `keys`, was looked at.
        self.synced = False
        #: Why the scope cannot be looked at just now, None while it can.
        self.problem: ClusterError | None = None
        self.closed = False
        self._store = store
        self._on_change, self._on_problem = on_change, on_problem
        self._leave = leave
        self._pending: dict[Key, Kept | None] = {}
        #: Pending objects that came into being after the subscriber was last told.
        self._fresh: set[Key] = set()
        self._told_problem: ClusterError | None = None
        self._woken = asyncio.Event()
        self._scheduled = False

    async def snapshot(self) -> dict[Key, Kept]:
        """The objects in the scope (or those of `keys` that exist), once synced; changes are told from here on.

        Waits as long as the scope cannot be looked at; `problem` says why. Raises `RuntimeError` when it was closed.
        """
        while not self.synced:
            await self._wait()
        self._pending.clear()
        self._fresh.clear()
        return self._store.of(self.keys)

    def get(self, key: Key) -> Kept | None:
        """The latest projected state of one object; None when it is absent or not known yet (see `synced`)."""
        return self._store.objects.get(key)

    def objects(self) -> dict[Key, Kept]:
        """The latest projected state of all objects in the scope (or those of `keys` that exist) that are known."""
        return self._store.of(self.keys)

    def close(self) -> None:
        """Stop hearing. Nothing is told after this returns."""
        if not self.closed:
            self.closed = True
            self._pending.clear()
            self._woken.set()
            self._leave(self)

    def sync(self) -> None:
        """The first complete look is done: the initial state is to be told."""
        self.synced = True
        objects = self._store.objects
        self._pending = dict(objects) if self.keys is None else {key: objects.get(key) for key in self.keys}
        self._fresh = set(self._pending) if self.keys is None else set()
        self._schedule()

    def changed(self, key: Key, obj: Kept | None, *, fresh: bool) -> None:
        """The object has a new state. `fresh`: it did not exist before."""
        if not self.synced:
            return
        if obj is None and key in self._fresh and self._on_change is None:
            # Came and went untold. Without this, names that come and go would pile up at a subscriber that is slow.
            # One that is called is not, and it may know of what came: it made it.
            self._fresh.discard(key)
            self._pending.pop(key, None)
            return
        if fresh and key not in self._pending:
            self._fresh.add(key)
        self._pending[key] = obj
        self._schedule()

    def set_problem(self, problem: ClusterError | None) -> None:
        """The scope cannot be looked at, or (None) can again."""
        self.problem = problem
        if self._on_problem is not None:
            self._schedule()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while not self._pending:
            if self.closed:
                raise StopAsyncIteration
            await self._wait(ended=StopAsyncIteration)
        key = next(iter(self._pending))
        self._fresh.discard(key)
        return Change(key, self._pending.pop(key))

    async def _wait(self, *, ended: type[Exception] = RuntimeError) -> None:
        await self._woken.wait()
        if self.closed:
            raise ended("the subscription is closed")
        self._woken.clear()

    def _schedule(self) -> None:
        self._woken.set()
        if not self._scheduled and (self._on_change is not None or self._on_problem is not None):
            self._scheduled = True
            # Not told at once: a burst of events about one object becomes one call.
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._on_problem is not None and self.problem is not self._told_problem:
            self._told_problem = self.problem
            self._call(self._on_problem, self.problem)
        if self._on_change is None:
            return
        for key in list(islice(self._pending, TOLD_AT_ONCE)):
            if key in self._pending:
                self._fresh.discard(key)
                self._call(self._on_change, key, self._pending.pop(key))
        if self._pending:
            # The first look at thousands: what they set going finds room in between.
            self._schedule()

    def _call(self, callback: Callable[..., None], *args: object) -> None:
        if self.closed:
            return
        try:
            callback(*args)
        except Exception as error:  # noqa: BLE001 - one subscriber's bug must not cost the others their watch
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a watch subscriber's callback failed", "exception": error}
            )
