"""The simulated cluster of a fork: a MemoryCluster with the recorded objects, and the shipped hands at work on it.

Not the world, and no promise about it: what it answers is marked as simulated. Permissions, quotas and other people's
webhooks are not simulated; workloads become ready. Invariant: nothing here leaves the process.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ledger.events import ApplyIntended
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands import Performer
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.compute import inputs
from reconciler.compute.fields import group_of
from reconciler.compute.inputs import Inputs
from reconciler.compute.inventory import entry_id, ref_of_entry
from reconciler.compute.order import ref_of
from reconciler.compute.urlguard import split_url
from reconciler.errors import AlreadyExists, ClusterError
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer, Order
from reconciler.ports.requests import Call, Calling, Fetching, Reply
from reconciler.state import State, run_of
from replay.performing.kustomize import Workshop
from replay.performing.recorded import NotRecorded, builtin
from replay.performing.tools import Blobs, Ports, tools

#: Simulated answers that take longer are no answers, in seconds.
WITHIN_S = 86_400.0
_TICK_S = 0.25
_TOKEN = "secret:"  # noqa: S105 (what tokens begin with)


class Simulation:
    """Lives as long as the loop of the fork."""

    def __init__(self, clock: Clock, *, blobs: Blobs, workshop: Workshop | None, fetcher: Fetching) -> None:
        self.cluster = MemoryCluster(lambda: clock.now_ms() / 1000)
        self._blobs = blobs
        self._clusters = Clusters(
            self.cluster, act_as=lambda _, __: self.cluster, jitter=lambda: 0.5, reach=self._reach
        )
        self.caller = SimulatedCalling()
        ports = Ports(self._clusters, fetcher, self.caller, clock)
        self._hands = Performer(tools(ports, blobs=blobs, workshop=workshop))
        self._ticking = asyncio.ensure_future(self._tick())
        self._seeded: set[str] = set()
        #: ids of objects that are owned and of which no manifest is in the bundle
        self.unknown: set[str] = set()

    async def answer(self, order: Order, told: Iterable[Inputs]) -> Answer:
        """What the simulated cluster answers. Raises `TimeoutError` where nothing comes of it within a day."""
        await self._seed(order.state, told)
        async with asyncio.timeout(WITHIN_S):
            return await self._hands.perform(await self._own(order))

    async def close(self) -> None:
        self._ticking.cancel()
        await self._hands.close()
        await self._clusters.close()

    async def _own(self, order: Order) -> Order:
        """An apply is of what is built here: of what was built there, tokens of secret values tell other digests."""
        event = order.effect.event
        if not isinstance(event, ApplyIntended):
            return order
        built = await self._hands.rendered(order)
        own = msgspec.structs.replace(event, manifests=built) if built else event
        return order._replace(effect=order.effect._replace(event=own))

    async def _tick(self) -> None:
        while True:
            await self.cluster.tick()
            await asyncio.sleep(_TICK_S)

    def _reach(self, target: Any, *, where: str, user: str) -> MemoryCluster:
        return self.cluster

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────

    async def _seed(self, state: State, told: Iterable[Inputs]) -> None:
        """Whatever is recorded and not there yet."""
        known = self._manifests(state)
        namespace = state.stream.split("/")[1]
        await self._namespace(namespace)
        for obj, ref in _read(told):
            await self._put(entry_id(ref), {**obj, "apiVersion": ref.api_version, "kind": ref.kind}, uid="")
        for stage in state.stages.values():
            for key, owned in stage.owned.items():
                if not owned.uid:
                    continue
                made = known.get(key) or _stub(key, owned.v)
                if made is None:
                    self.unknown.add(key)
                else:
                    await self._put(key, made, uid=owned.uid)
        for key, obj in known.items():
            await self._serve(obj, namespaced=bool(key.split("_", 1)[0]))
        await self.cluster.tick()

    def _manifests(self, state: State) -> dict[str, Object]:
        """Manifests that are in the bundle, by id; those of this run count most."""
        wanted = [stage.manifests for stage in state.stages.values()]
        wanted += [render.manifests for render in run_of(state).renders.values()]
        found: dict[str, Object] = {}
        for name in wanted:
            for obj in _objects(self._blobs.found.get(name, b"")):
                found[entry_id(ref_of(obj))] = obj
        return found

    async def _put(self, key: str, obj: Object, *, uid: str) -> None:
        """An object as it was made, under the UID that is on record."""
        if key in self._seeded:
            return
        self._seeded.add(key)
        ref = ref_of(obj)
        if ref.namespace:
            await self._namespace(ref.namespace)
        await self._serve(obj, namespaced=bool(ref.namespace))
        try:
            await self.cluster.create(_usable(obj))
        except AlreadyExists:
            return
        except ClusterError:
            self.unknown.add(key)
            return
        if uid:
            self._rename(ref, uid)

    def _rename(self, ref: Ref, uid: str) -> None:
        world = self.cluster.world
        kind = world.catalog.kind(ref.api_version, ref.kind)
        at = world.location(kind, ref.namespace, ref.name)
        entry = world.store.get(at)
        assert entry is not None, "it was created just now"
        world.store.put(at, {**entry.obj, "metadata": {**entry.obj["metadata"], "uid": uid}})

    async def _namespace(self, name: str) -> None:
        with contextlib.suppress(ClusterError):
            await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def _serve(self, obj: Object, *, namespaced: bool) -> None:
        """A definition that takes everything, for a kind that is not Kubernetes' own."""
        api_version, kind = obj["apiVersion"], obj["kind"]
        group, version = group_of(api_version), api_version.rpartition("/")[2]
        if builtin(api_version, kind) is not None or f"crd/{group}/{kind}" in self._seeded or not group:
            return
        self._seeded.add(f"crd/{group}/{kind}")
        with contextlib.suppress(ClusterError):
            await self.cluster.create(_definition(group, version, kind, namespaced=namespaced))
            await self.cluster.tick()


class SimulatedCalling:
    """Every request that may be sent is answered as its action expects."""

    def __init__(self) -> None:
        #: judges whether it may be sent
        self.guard: Calling | None = None

    async def call(self, call: Call, *, within_s: float) -> Reply:
        if self.guard is not None:
            with contextlib.suppress(NotRecorded):
                await self.guard.call(call, within_s=within_s)
        expected = sorted(call.final) or [200]
        return Reply(split_url(call.url).hostname or "", expected[0], "", "")


def _read(told: Iterable[Inputs]) -> Iterator[tuple[Object, Ref]]:
    """Objects that hands read: the variables of builds, the headers of requests."""
    for one in told:
        for note in one.notes:
            if note.verb == "get" and not note.error and note.about[1] in ("ConfigMap", "Secret"):
                yield inputs.answered(note.answer), Ref(*note.about)


def _objects(data: bytes) -> list[Object]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [one for one in found if isinstance(one, dict) and "kind" in one] if isinstance(found, list) else []


def _stub(key: str, version: str) -> Object | None:
    """An object of which nothing is known but its name, of the kinds for which that is enough."""
    ref = ref_of_entry(key, version=version)
    if ref is None or ref.kind not in ("ConfigMap", "Secret", "ServiceAccount"):
        return None
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}


def _usable(obj: Object) -> Object:
    """With tokens in the form that a Secret's data has; without what only a live object has."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("uid", "resourceVersion", "generation")}
    found = {**obj, "metadata": meta}
    if obj["kind"] == "Secret" and isinstance(obj.get("data"), dict):
        found["data"] = {key: _encoded(value) for key, value in obj["data"].items()}
    return found


def _encoded(value: Any) -> Any:
    return base64.b64encode(value.encode()).decode() if isinstance(value, str) and value.startswith(_TOKEN) else value


def _definition(group: str, version: str, kind: str, *, namespaced: bool) -> Object:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    scope = "Namespaced" if namespaced else "Cluster"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [served]},
    }
