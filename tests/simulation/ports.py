"""The ports of a simulated controller: working doubles with faults, delays, and a place to be killed at each boundary.

One `Line` for each incarnation of the controller: when it is cut, nothing that the incarnation still does reaches the
world. Faults and delays come from the seed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any, Literal, NamedTuple

import yaml

from ledger.direct_commit import DirectCommit
from ledger.errors import Unavailable as LedgerUnavailable
from ledger.log import Appended, Batch
from reconciler.adapters.memory import faults
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cascade, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent
from tests.simulation.checkers import Monitor


class Chances(NamedTuple):
    """How likely each fault is, per request; and how slow answers are, in seconds."""

    unavailable: float = 0.0
    lost: float = 0.0
    throttled: float = 0.0
    conflict: float = 0.0
    ledger: float = 0.0
    fetch: float = 0.0
    slow: float = 0.0
    slow_s: float = 8.0
    delay_s: float = 0.02


CALM = Chances()


#: What meets a controller at a boundary: killed; stopped for longer than its Lease; without network; a full disk.
Fate = Literal["", "kill", "stop", "lose", "fill"]
#: A holder whose process stood still for this long gives up, in seconds.
RENEW_DEADLINE_S = 10.0


class Line:
    """What one incarnation reaches the world through."""

    def __init__(self, *, number: int, rng: Random, chances: Chances, crash: Callable[[Line, str, Any], Fate]) -> None:
        self.number = number
        self.alive = True
        self.chances = chances
        self.rng = self._rng = rng
        self._crash = crash
        #: set when the incarnation is to be killed
        self.killed = asyncio.Event()
        #: called when it is stopped
        self.on_stop: Callable[[], None] = lambda: None
        #: when it was stopped, loop time; 0: it was not
        self.stopped_s = 0.0
        #: until when nothing of the network, and nothing of the disk, is to be had
        self.lost_until_s = self.full_until_s = 0.0

    async def live(self) -> None:
        """A dead process does nothing, not even fail."""
        while not self.alive:
            await asyncio.get_running_loop().create_future()

    async def boundary(self, where: str, about: Any = None) -> None:
        """A place at which the process may end, or be stopped."""
        await self.live()
        fate = self._crash(self, where, about)
        if fate == "kill":
            self.cut()
            await self.live()
        elif fate == "stop":
            self.stop()
            # Nothing of it runs until it is thawed.
            await asyncio.sleep(0)

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped_s = asyncio.get_running_loop().time()
        self.on_stop()

    @property
    def holds_lease(self) -> bool:
        """What the process knows of its Lease, by its own monotonic clock."""
        now_s = asyncio.get_running_loop().time()
        return not self.stopped_s or now_s < self.stopped_s + RENEW_DEADLINE_S

    @property
    def lost(self) -> bool:
        return asyncio.get_running_loop().time() < self.lost_until_s

    @property
    def full(self) -> bool:
        return asyncio.get_running_loop().time() < self.full_until_s

    def cut(self) -> None:
        self.alive = False
        self.killed.set()

    async def delay(self) -> None:
        chances = self.chances
        slow = chances.slow and self._rng.random() < chances.slow
        most = chances.slow_s if slow else chances.delay_s
        if most:
            await asyncio.sleep(self._rng.random() * most)
        await self.live()

    def fault(self, verb: str, ref: Ref | None) -> str:
        """The name of a fault that a request meets, or nothing."""
        chances = self.chances
        if not any(chances[:4]):
            return ""
        drawn = self._rng.random()
        for name in ("unavailable", "lost", "throttled", "conflict"):
            drawn -= getattr(chances, name)
            if drawn < 0:
                return name
        return ""

    def happens(self, chance: float) -> bool:
        return bool(chance) and self._rng.random() < chance


class SimJournal:
    """The journal: a kill before the commit, a kill after it and before the caller knows, an outage."""

    def __init__(self, direct: DirectCommit, *, line: Line, monitor: Monitor) -> None:
        self._direct, self._line, self._monitor = direct, line, monitor
        self.log = direct.log

    async def append(self, batch: Batch) -> Appended:
        line = self._line
        await line.boundary("before append", batch)
        await line.delay()
        if line.full or line.happens(line.chances.ledger):
            raise LedgerUnavailable("the disk is away (simulated)")
        appended = await self._direct.append(batch)
        self._monitor.committed(batch, line.number)
        await line.boundary("after append", batch)
        return appended

    async def put_blob(self, chunks: bytes) -> str:
        await self._line.boundary("before blob")
        return await self._direct.put_blob(chunks)

    async def get_blob(self, digest: str) -> bytes | None:
        await self._line.live()
        return await self._direct.get_blob(digest)


class SimCluster:
    """The Cluster port of one identity, on a MemoryCluster."""

    def __init__(
        self, inner: MemoryCluster, *, line: Line, monitor: Monitor, account: Callable[[], Any] | None = None
    ) -> None:
        """`account` asks for a token, as whoever acts as a ServiceAccount has to; it raises where there is none."""
        self._inner, self._line, self._monitor = inner, line, monitor
        self._account = account or (lambda: None)

    async def _read(self, verb: str, call: Callable[[], Awaitable[Any]]) -> Any:
        line = self._line
        await line.live()
        self._monitor.requests[verb] += 1
        await line.delay()
        fault = line.fault(verb, None)
        if line.lost or fault in ("unavailable", "lost"):
            raise faults.unavailable()
        if fault == "throttled":
            raise faults.too_many_requests()
        self._account()
        result = await call()
        await line.delay()
        return result

    async def _write(self, verb: str, ref: Ref, call: Callable[[], Awaitable[Any]], obj: Object | None = None) -> Any:
        line = self._line
        await line.boundary(f"before {verb} {ref.kind}", ref)
        self._monitor.requests[verb] += 1
        await line.delay()
        fault = line.fault(verb, ref)
        if line.lost or fault == "unavailable":
            raise faults.unavailable()
        if fault == "throttled":
            raise faults.too_many_requests()
        if fault == "conflict":
            raise faults.conflict(ref)
        self._account()
        deed = self._monitor.writes(verb, ref, obj, line.number)
        result = await call()
        if deed is not None:
            self._monitor.outside.wrote(deed, ref)
        await line.boundary(f"after {verb} {ref.kind}", ref)
        if line.lost or fault == "lost":
            raise faults.timed_out()
        await line.delay()
        return result

    async def version(self) -> Any:
        return await self._read("version", self._inner.version)

    async def resource(self, api_version: str, kind: str) -> Resource:
        return await self._read("resource", lambda: self._inner.resource(api_version, kind))

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        return await self._read("get", lambda: self._inner.get(ref, subresource=subresource))

    async def list(self, scope: Scope) -> ObjectList:
        return await self._read("list", lambda: self._inner.list(scope))

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        await self._read("watch", _nothing)
        events = self._inner.watch(scope, resource_version=resource_version)
        try:
            async for event in events:
                await self._line.live()
                if self._line.lost:
                    raise faults.unavailable()
                yield event
        finally:
            await events.aclose()

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        ref = _ref(obj)
        if dry_run:
            return await self._read("create", lambda: self._inner.create(obj, dry_run=True))
        return await self._write("create", ref, lambda: self._inner.create(obj), obj)

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        call = lambda: self._inner.apply(obj, manager=manager, force=force, dry_run=dry_run)  # noqa: E731
        if dry_run:
            return await self._read("apply", call)
        return await self._write("apply", _ref(obj), call, obj)

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        call = lambda: self._inner.patch(  # noqa: E731
            ref, patch, type=type, manager=manager, subresource=subresource, dry_run=dry_run
        )
        if dry_run:
            return await self._read("patch", call)
        return await self._write("patch", ref, call)

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        return await self._write("replace", _ref(obj), lambda: self._inner.replace(obj, subresource=subresource), obj)

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        call = lambda: self._inner.delete(ref, uid=uid, resource_version=resource_version, cascade=cascade)  # noqa: E731
        await self._write("delete", ref, call)

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        return await self._read("token", lambda: self._inner.token(namespace, service_account, expires_s=expires_s))

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        call = lambda: self._inner.logs(namespace, pod, container=container, tail_lines=tail_lines)  # noqa: E731
        return await self._read("logs", call)

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        return await self._read("allowed", lambda: self._inner.allowed(verb, ref, subresource=subresource))

    async def close(self) -> None:
        pass


async def _nothing() -> None:
    pass


def _ref(obj: Object) -> Ref:
    metadata = obj.get("metadata") or {}
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace", ""), metadata.get("name", ""))


class ArtifactServer:
    """Artifacts by URL. `down`: nobody answers."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.down = False
        #: how many times a URL is refused before it is served
        self.refusals: Counter[str] = Counter()
        self.served: Counter[str] = Counter()


class SimFetcher:
    """Fetches from an `ArtifactServer` what a real one would; also cut off, cut short, slow."""

    def __init__(self, server: ArtifactServer, *, line: Line) -> None:
        self._server, self._line = server, line

    async def fetch(self, url: str, digest: str) -> bytes:
        await self._line.live()
        await self._line.delay()
        body = self._server.bodies.get(url)
        if self._server.down or self._line.happens(self._line.chances.fetch):
            raise OperationError(f"{url} cannot be fetched: refused", reason="Unreachable", retryable=True)
        if self._server.refusals[url] > 0:
            self._server.refusals[url] -= 1
            raise OperationError(f"{url} answered 503", reason="BadStatus", retryable=True)
        if body is None:
            raise OperationError(f"{url} answered 404", reason="BadStatus", retryable=True)
        if self._line.happens(self._line.chances.fetch):
            body = body[: len(body) // 2]
        self._server.served[url] += 1
        await self._line.delay()
        if "sha256:" + hashlib.sha256(body).hexdigest() != digest:
            raise OperationError(f"{url} is not {digest}", reason="DigestMismatch", retryable=False)
        return body

    async def close(self) -> None:
        pass


class Renderer:
    """A kustomize that only collects resources: enough for artifacts of plain manifests."""

    async def run(self, tree: BuildTree) -> str:
        kustomization = yaml.load(tree.files[f"{tree.directory}kustomization.yaml"], yaml.CSafeLoader)
        texts = [tree.files[name.removeprefix("./")].decode() for name in kustomization.get("resources") or ()]
        return "\n---\n".join(texts)


__all__ = [
    "CALM",
    "ArtifactServer",
    "Chances",
    "ClusterError",
    "Line",
    "Renderer",
    "SimCluster",
    "SimFetcher",
    "SimJournal",
]
