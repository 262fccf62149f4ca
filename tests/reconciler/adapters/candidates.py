"""Candidates for a Lease as processes of a virtual loop: stopped and continued, killed, with a bad line to the API.

A stopped process does nothing, not even time out: its callbacks wait, in their order, until it is continued. The API
server and the lines to it go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any, NamedTuple

from reconciler.adapters.lease import NAME, Ambient, Election, Terms
from reconciler.adapters.memory import faults
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.ports.cluster import Object, Ref
from tests.simulation.virtual import EPOCH_S, VirtualLoop

NAMESPACE = "stageset-system"
LEASE = Ref("coordination.k8s.io/v1", "Lease", NAMESPACE, NAME)
#: The process that a callback belongs to; empty: the world.
PROCESS: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="")


class StoppableLoop(VirtualLoop):
    """A virtual loop whose processes can be stopped."""

    def __init__(self) -> None:
        #: callbacks of stopped processes, in the order in which they came due
        self.stopped: dict[str, list[Callable[[], None]]] = {}
        #: called after each callback of a process
        self.after: Callable[[], None] = lambda: None
        super().__init__()

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        cell: list[asyncio.Handle] = []
        handle = super().call_soon(partial(self._guarded, cell, callback, args), context=context)
        cell.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        cell: list[asyncio.Handle] = []
        handle = super().call_at(when, partial(self._guarded, cell, callback, args), context=context)
        cell.append(handle)
        return handle

    def stop_process(self, name: str) -> None:
        self.stopped.setdefault(name, [])

    def continue_process(self, name: str) -> None:
        for again in self.stopped.pop(name, []):
            again()

    def _guarded(self, cell: list[asyncio.Handle], callback: Any, args: tuple[Any, ...]) -> None:
        name, (handle,) = PROCESS.get(), cell
        if handle.cancelled():
            return
        if name in self.stopped:
            context = contextvars.copy_context()
            step = partial(self._guarded, cell, callback, args)
            self.stopped[name].append(lambda: super(StoppableLoop, self).call_soon(step, context=context))
            return
        callback(*args)
        if name:
            self.after()


class Line(NamedTuple):
    """How bad the line of a process to the API server is, per request; seconds of delay, each way."""

    lost: float = 0.0
    answer_lost: float = 0.0
    refused: float = 0.0
    delay_s: float = 0.01


class Api:
    """The Cluster port, of one process, over a bad line. Only what an election asks."""

    def __init__(self, cluster: MemoryCluster, *, rng: Random, line: Line) -> None:
        self.line = line
        #: time and verb of each request that was sent
        self.sent: list[tuple[float, str]] = []
        self._cluster, self._rng = cluster, rng

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        return await self._ask("get", lambda: self._cluster.get(ref))

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        return await self._ask("create", lambda: self._cluster.create(obj))

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        return await self._ask("replace", lambda: self._cluster.replace(obj))

    async def _ask(self, verb: str, request: Callable[[], Awaitable[Object]]) -> Object:
        loop, line, draw = asyncio.get_running_loop(), self.line, self._rng.random
        self.sent.append((round(loop.time(), 3), verb))
        answer: asyncio.Future[Object] = loop.create_future()
        lost, answer_lost, refused = draw() < line.lost, draw() < line.answer_lost, draw() < line.refused
        there_s, back_s = draw() * line.delay_s, draw() * line.delay_s

        def answered(result: Object | Exception) -> None:
            if answer.done():
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        async def serve() -> None:
            await asyncio.sleep(there_s)
            if lost:
                return
            try:
                result: Object | Exception = faults.unavailable() if refused else await request()
            except Exception as error:
                result = error
            await asyncio.sleep(back_s)
            if not answer_lost:
                answered(result)

        world = contextvars.copy_context()
        world.run(PROCESS.set, "")
        loop.create_task(serve(), context=world)
        return await answer


def ambient(loop: VirtualLoop, *, rng: Random, skew_ms: int = 0) -> Ambient:
    """The loop's time; a wall clock that is wrong by `skew_ms`."""
    return Ambient(now_ms=lambda: int((EPOCH_S + loop.time()) * 1000) + skew_ms, elapsed_s=loop.time, chance=rng.random)


class Candidate:
    """One election, with all that it reaches."""

    def __init__(
        self,
        cluster: MemoryCluster,
        identity: str,
        *,
        seed: int = 0,
        terms: Terms | None = None,
        line: Line | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        rng = Random(f"{seed}/{identity}")
        self.api = Api(cluster, rng=rng, line=line or Line())
        self.lost: asyncio.Future[str] = loop.create_future()
        self.election = Election(
            self.api,  # type: ignore[arg-type]
            namespace=NAMESPACE,
            identity=identity,
            terms=terms or Terms(),
            ambient=ambient(loop, rng=rng, skew_ms=rng.choice((0, 0, -90_000, 3_600_000))),
        )

    def hold(self) -> None:
        self.election.hold(self.lost.set_result)

    def as_process(self, work: Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Run something as the process that has the candidate's name."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self.election.identity)

        async def run() -> Any:
            return await work()

        return asyncio.get_running_loop().create_task(run(), context=context)


async def memory_cluster() -> MemoryCluster:
    """With the namespace of the Lease."""
    loop = asyncio.get_running_loop()
    cluster = MemoryCluster(lambda: EPOCH_S + loop.time())
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    return cluster
