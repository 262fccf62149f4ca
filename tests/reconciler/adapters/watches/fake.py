"""A cluster of dicts whose watches a test cuts, breaks and floods, and a clock that moves when told."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

from reconciler.adapters.watches import Key
from reconciler.errors import ClusterError, NotFound
from reconciler.ports.cluster import Object, ObjectList, Ref, Scope, WatchEvent

PODS = Scope("v1", "Pod", "shop")


async def settled(until: Callable[[], bool] = lambda: False) -> None:
    """Let everything run that can run now."""
    for _ in range(200):
        if until():
            return
        await asyncio.sleep(0)


class Time:
    """`sleep` waits until `advance` passed its end."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._order = count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        await settled()
        while self._waiting and self._waiting[0][0] <= end:
            self.now, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
            await settled()
        self.now = end


def pod(name: str, *, phase: str = "Pending", version: int = 0, namespace: str = "shop") -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": str(version)},
        "status": {"phase": phase},
    }


def key(name: str) -> Key:
    return Key("shop", name)


class FakeCluster:
    """`refuse["list"]` and its like are errors to raise, one a call; `forever` raises until it is removed."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.version = 100
        self.calls: Counter[str] = Counter()
        self.positions: list[str] = []
        self.refuse: dict[str, deque[ClusterError]] = {verb: deque() for verb in ("list", "watch", "get")}
        self.forever: dict[str, ClusterError] = {}
        self.open: list[asyncio.Queue[WatchEvent | Exception | None]] = []

    def set(self, name: str, phase: str) -> None:
        self.version += 1
        verb = "MODIFIED" if name in self.objects else "ADDED"
        self.objects[name] = pod(name, phase=phase, version=self.version)
        self.send(WatchEvent(verb, self.objects[name]))

    def remove(self, name: str) -> None:
        self.version += 1
        gone = {**self.objects.pop(name), "metadata": {**pod(name)["metadata"], "resourceVersion": str(self.version)}}
        self.send(WatchEvent("DELETED", gone))

    def bookmark(self) -> None:
        self.version += 1
        self.send(WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}}))

    def send(self, item: WatchEvent | Exception | None) -> None:
        """To every open watch: an event, an error to raise, or None for its end."""
        for queue in self.open:
            queue.put_nowait(item)

    async def list(self, scope: Scope) -> ObjectList:
        self._called("list")
        return ObjectList([dict(obj) for obj in self.objects.values()], str(self.version))

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        self.positions.append(resource_version)
        self._called("watch")
        queue: asyncio.Queue[WatchEvent | Exception | None] = asyncio.Queue()
        self.open.append(queue)
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.open.remove(queue)

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        self._called("get")
        if ref.name not in self.objects:
            raise NotFound(f'pods "{ref.name}" not found')
        return dict(self.objects[ref.name])

    def _called(self, verb: str) -> None:
        self.calls[verb] += 1
        if verb in self.forever:
            raise self.forever[verb]
        if self.refuse[verb]:
            raise self.refuse[verb].popleft()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
