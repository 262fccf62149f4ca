"""All shared watches of one identity on one cluster: made when first looked at, dropped a while after the last look.

Not shared between identities: what one may see, another may not. Invariant: one scope, one watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import msgspec

from reconciler.adapters.watches.settings import Pace, WatchSettings
from reconciler.adapters.watches.shared import Mode, SharedWatch
from reconciler.adapters.watches.store import Kept, Key, Projection, without_noise
from reconciler.adapters.watches.subscription import Subscription
from reconciler.errors import ClusterError
from reconciler.ports.cluster import Cluster, Scope

_SETTINGS = WatchSettings()


class WatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """One shared watch, for metrics and for people: `polling` means that listing or watching is forbidden."""

    scope: Scope
    mode: Mode
    subscribers: int
    objects: int
    #: Sentence of the last failure; empty while all is well.
    problem: str = ""


class Watches:
    """Shared watches on `cluster`. `jitter` returns a number in [0, 1); `project` reduces each object that is kept."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        jitter: Callable[[], float],
        project: Projection = without_noise,
        settings: WatchSettings = _SETTINGS,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._cluster, self._project = cluster, project
        self._pace = Pace(settings, jitter, sleep)
        self._watches: dict[Scope, SharedWatch] = {}
        self._expiring: dict[Scope, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def subscribe(
        self,
        scope: Scope,
        *,
        keys: Collection[Key] | None = None,
        on_change: Callable[[Key, Kept | None], None] | None = None,
        on_problem: Callable[[ClusterError | None], None] | None = None,
    ) -> Subscription:
        """Hear of the objects in `scope`, or of those of them that `keys` names; needs a running event loop.

        Where listing or watching is forbidden, objects that are named are asked for one by one at an interval
        (without regard to the scope's selectors), and `report` says so; a subscriber of the whole scope gets the
        refusal as its `problem`. Raises `RuntimeError` after `close`.
        """
        if self._closed:
            raise RuntimeError("these watches are closed")
        expiring = self._expiring.pop(scope, None)
        if expiring is not None:
            expiring.cancel()
        watch = self._watches.get(scope) or self._start(scope)
        subscription = Subscription(
            watch.store,
            keys=keys,
            on_change=on_change,
            on_problem=on_problem,
            leave=lambda left: self._left(watch, left),
        )
        watch.store.join(subscription)
        watch.joined(subscription)
        return subscription

    def report(self) -> list[WatchReport]:
        """The watches that are open now."""
        return [
            WatchReport(
                scope=watch.scope,
                mode=watch.mode,
                subscribers=len(watch.store.subscribers),
                objects=len(watch.store.objects),
                problem=watch.problem.message if watch.problem else "",
            )
            for watch in self._watches.values()
        ]

    async def close(self) -> None:
        """End all watches and subscriptions; the cluster stays open."""
        self._closed = True
        watches = tuple(self._watches.values())
        for watch in watches:
            for subscription in tuple(watch.store.subscribers):
                subscription.close()
        for task in self._expiring.values():
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(watch.stop() for watch in watches))
        self._watches.clear()
        self._expiring.clear()

    def _start(self, scope: Scope) -> SharedWatch:
        watch = self._watches[scope] = SharedWatch(
            self._cluster,
            scope,
            project=self._project,
            pace=self._pace,
        )
        watch.start()
        return watch

    def _left(self, watch: SharedWatch, subscription: Subscription) -> None:
        watch.store.leave(subscription)
        if not watch.store.subscribers and not self._closed:
            task = self._expiring[watch.scope] = asyncio.create_task(self._expire(watch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _expire(self, watch: SharedWatch) -> None:
        await self._pace.sleep(self._pace.settings.grace_s)
        # Nothing is awaited between these two, so that a newcomer either cancels this or starts another watch.
        self._watches.pop(watch.scope, None)
        self._expiring.pop(watch.scope, None)
        await watch.stop()
