"""One watch for all that look at the same scope: list, watch, resume, list again; or GETs where that is forbidden.

Not a policy: what a change means is the subscribers' business. Invariants: it never gives up while somebody listens; it
never asks faster than its backoff; a position is only dropped when the server says that it is too old.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Literal, Protocol, runtime_checkable

from reconciler.adapters.watches.settings import Pace
from reconciler.adapters.watches.store import Kept, Key, Listener, Projection, Store, key_of
from reconciler.errors import ClusterError, Forbidden, Gone, NoSuchKind, NotFound, TooManyRequests, Unavailable
from reconciler.ports.cluster import Cluster, ObjectList, Ref, Scope, WatchEvent

Mode = Literal["starting", "watching", "polling", "failing"]


@runtime_checkable
class Paged(Protocol):
    """A cluster that gives lists page by page as well."""

    def pages(self, scope: Scope) -> AsyncGenerator[ObjectList, None]:
        """The pages of a list, each with the version of the whole. Raises `Gone` where it cannot be read to its end."""


class SharedWatch:
    """Runs as one task from `start` to `stop`. Time and chance are in `pace`: a simulation owns them."""

    def __init__(
        self,
        cluster: Cluster,
        scope: Scope,
        *,
        project: Projection,
        pace: Pace,
    ) -> None:
        self.scope = scope
        self.store = Store(scope, project)
        self.mode: Mode = "starting"
        self.problem: ClusterError | None = None
        self._cluster = cluster
        self._settings, self._jitter, self._sleep = pace
        #: Resource version to resume from; empty: list first.
        self._position = ""
        self._failures = 0
        self._polling = False
        self._poke = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"watch {self.scope.kind} {self.scope.namespace}")

    async def stop(self) -> None:
        """End the task and wait until it let go of its connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def joined(self, subscription: Listener) -> None:
        """A subscriber joined: it hears of the present problem, and while polling its objects are asked for at once."""
        polled = self._polling and subscription.keys is not None
        if self.problem is not None and not polled:
            subscription.set_problem(self.problem)
        self._poke.set()

    async def _run(self) -> None:
        while True:
            try:
                if self._polling:
                    await self._poll()
                else:
                    await self._list_and_watch()
            except Forbidden as error:
                self._start_polling(error)
            except Gone as error:
                self._position = ""
                if self._failures:
                    # A position that is too old as soon as it was listed must not become a busy loop.
                    await self._back_off(error)
                else:
                    self._failures = 1
            except ClusterError as error:
                await self._back_off(error)
            except Exception as error:  # noqa: BLE001 - a projection's bug must not end the watch in silence
                asyncio.get_running_loop().call_exception_handler({"message": "a watch failed", "exception": error})
                self._position = ""
                await self._back_off(Unavailable(f"The watch of {self.scope.kind} failed: {type(error).__name__}."))

    async def _list_and_watch(self) -> None:
        if not self._position:
            await self._list()
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), False
        settling = asyncio.ensure_future(self._settle())
        events = self._cluster.watch(self.scope, resource_version=self._position)
        try:
            async for event in events:
                heard = True
                self._failures = 0
                self._well()
                self._take(event)
        finally:
            settling.cancel()
            aclose = getattr(events, "aclose", None)
            if aclose is not None:
                await aclose()
        if heard or loop.time() - began >= self._settings.healthy_s:
            self._failures = 0
        else:
            # Ending is normal, but not at once and again and again.
            await self._pause()

    async def _list(self) -> None:
        latest: dict[Key, Kept] = {}
        version = ""
        try:
            # Reduced page by page: all of a large scope at once would be many times what is kept of it.
            async for page in self._pages():
                latest |= self.store.reduced(page.items)
                version = page.resource_version
        except NoSuchKind:
            # Of a kind that is not installed there are no objects; whether it stays so is asked again.
            self.store.listed({})
            raise
        self.store.listed(latest)
        self._position = version
        self._well()

    async def _pages(self) -> AsyncIterator[ObjectList]:
        if isinstance(self._cluster, Paged):
            async with aclosing(self._cluster.pages(self.scope)) as pages:
                async for page in pages:
                    yield page
        else:
            yield await self._cluster.list(self.scope)

    def _take(self, event: WatchEvent) -> None:
        metadata = event.object.get("metadata") or {}
        self._position = metadata.get("resourceVersion") or self._position
        if event.type == "DELETED":
            self.store.drop(key_of(event.object))
        elif event.type != "BOOKMARK":
            self.store.put(event.object)

    def _start_polling(self, error: Forbidden) -> None:
        if not self._polling:
            self._polling = True
            self._position = ""
            self.store.incomplete()
        self.mode, self.problem = "polling", error
        self._tell_all(error)

    async def _poll(self) -> None:
        """Rounds of GETs of the named objects, until it is time to try listing again."""
        for _ in range(self._settings.polls_per_list):
            self._poke.clear()
            pause_s = await self._ask(self.store.named())
            await self._rest(max(pause_s, self._settings.poll_s))
        self._polling = False

    async def _rest(self, seconds: float) -> None:
        """A pause in which newcomers' objects are asked for at once."""
        resting = asyncio.ensure_future(self._sleep(seconds))
        poked = asyncio.ensure_future(self._poke.wait())
        try:
            while not resting.done():
                await asyncio.wait({resting, poked}, return_when=asyncio.FIRST_COMPLETED)
                if poked.done():
                    self._poke.clear()
                    poked = asyncio.ensure_future(self._poke.wait())
                    await self._ask(self.store.unasked())
        finally:
            resting.cancel()
            poked.cancel()

    async def _ask(self, keys: list[Key]) -> float:
        """GET these objects. Returns how many seconds the server asked to be left alone."""
        error: ClusterError | None = None
        for start in range(0, len(keys), self._settings.polls_concurrent_max):
            batch = keys[start : start + self._settings.polls_concurrent_max]
            errors = await asyncio.gather(*(self._get(key) for key in batch))
            error = next((e for e in errors if e is not None), error)
            if isinstance(error, TooManyRequests):
                break
        self._tell_named(error)
        return error.retry_after_s if error is not None else 0.0

    async def _get(self, key: Key) -> ClusterError | None:
        scope = self.scope
        try:
            obj = await self._cluster.get(Ref(scope.api_version, scope.kind, key.namespace, key.name))
        except (NotFound, NoSuchKind):
            self.store.asked(key, None)
        except ClusterError as error:
            return error
        else:
            if scope.metadata_only:
                obj = {field: obj.get(field) for field in ("apiVersion", "kind", "metadata")}
            self.store.asked(key, obj)
        return None

    async def _back_off(self, error: ClusterError) -> None:
        self.mode, self.problem = "failing", error
        self._tell_all(error)
        self._tell_named(error)
        await self._pause(error.retry_after_s)

    async def _pause(self, at_least_s: float = 0.0) -> None:
        """Exponential, with between half and the whole of each step, so that many watches do not return together."""
        self._failures += 1
        doubled = self._settings.backoff_s * 2.0 ** min(self._failures - 1, 16)
        step_s = min(self._settings.backoff_max_s, doubled)
        await self._sleep(max(at_least_s, step_s * (0.5 + self._jitter() / 2)))

    def _well(self) -> None:
        self.mode = "watching"
        if self.problem is not None:
            self.problem = None
            self._tell_all(None)
            self._tell_named(None)

    async def _settle(self) -> None:
        """A watch that stays open is well even when it has nothing to say."""
        await self._sleep(self._settings.healthy_s)
        self._well()

    def _tell_all(self, problem: ClusterError | None) -> None:
        """Tell those that look at the whole scope: GETs of named objects do not help them."""
        for subscription in tuple(self.store.subscribers):
            if subscription.keys is None:
                subscription.set_problem(problem)

    def _tell_named(self, problem: ClusterError | None) -> None:
        for subscription in tuple(self.store.subscribers):
            if subscription.keys is not None:
                subscription.set_problem(problem)
