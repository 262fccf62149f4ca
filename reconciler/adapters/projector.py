"""Projections into the cluster: status, inventories, the finalizer, Kubernetes Events. None of them is ever read back.

One request at a time for each StageSet, always from its newest state: what changed meanwhile is one more round, not a
queue. A write that fails is tried again; the ledger does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ledger.instant import to_text
from reconciler import errors
from reconciler.adapters.operations.inventory import InventoryWriter
from reconciler.api import names, reasons
from reconciler.compute.inventory import StageOf, ref_of_entry, shard_objects
from reconciler.compute.observed import status_mark
from reconciler.compute.status import ready_of, status_of
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.ports.members import Member
from reconciler.state import StageState
from reconciler.transitions import Phase

log = logging.getLogger(__name__)

#: Pause before a projection that failed is tried again, in seconds.
PAUSE_S = 2.0
#: StageSets that are written for at once.
CONCURRENT_MAX = 16


class Projector:
    """Writes what states say. `sleep` is injected so that a simulation owns the time."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Clock,
        shard_cap: int,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._cluster, self._clock, self._sleep = cluster, clock, sleep
        self._shard_cap = shard_cap
        self._inventories = InventoryWriter(cluster)
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
        self._tasks: dict[Member, asyncio.Task[None]] = {}
        self._again: set[Member] = set()
        #: marks of the status that was last wanted, and of what the server made of it
        self._written: dict[Member, tuple[str, str]] = {}
        self._shown: dict[Member, tuple[str, str]] = {}
        #: the stages whose inventories were last written
        self._stages: dict[Member, dict[str, StageState]] = {}
        self._finalizers: dict[Member, tuple[str, ...]] = {}

    def changed(self, member: Member) -> None:
        """Something of the member may differ from what the cluster shows."""
        if member in self._tasks:
            self._again.add(member)
            return
        self._tasks[member] = asyncio.ensure_future(self._project(member))

    def inventory_changed(self, of: StageOf, member: Member) -> None:
        """Somebody changed or deleted an inventory."""
        self._inventories.forget(of)
        self._stages.pop(member, None)
        self.changed(member)

    def forget(self, member: Member) -> None:
        """The StageSet is gone."""
        for kept in (self._written, self._shown, self._stages, self._finalizers):
            kept.pop(member, None)
        self._again.discard(member)
        task = self._tasks.pop(member, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Let what is under way finish."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _project(self, member: Member) -> None:
        try:
            while True:
                self._again.discard(member)
                try:
                    async with self._slots:
                        await self._once(member)
                except errors.NotFound:
                    # The StageSet is gone: its watch says so in a moment.
                    return
                except errors.ClusterError as error:
                    log.warning("projection of %s/%s: %s", *member.target[:2], error.message)
                    await self._sleep(max(PAUSE_S, error.retry_after_s))
                    continue
                if member not in self._again:
                    return
        finally:
            self._tasks.pop(member, None)

    async def _once(self, member: Member) -> None:
        if names.FINALIZER not in member.observed.finalizers:
            if not member.observed.deleting:
                await self._finalizer(member, (*member.observed.finalizers, names.FINALIZER))
            return
        await self._status(member)
        await self._inventory(member)
        await self._event(member)
        if member.state.phase == Phase.RELEASED:
            left = tuple(name for name in member.observed.finalizers if name != names.FINALIZER)
            await self._finalizer(member, left)

    async def _finalizer(self, member: Member, wanted: tuple[str, ...]) -> None:
        observed = member.observed
        if self._finalizers.get(member) == wanted:
            return
        metadata = {"finalizers": list(wanted), "resourceVersion": observed.resource_version}
        try:
            await self._cluster.patch(_ref(member), {"metadata": metadata}, type="merge")
        except errors.Conflict:
            # Changed since the watch showed it: the watch shows the newer one soon and calls again.
            return
        self._finalizers[member] = wanted

    async def _status(self, member: Member) -> None:
        if member.state.version == 0:
            return
        status = status_of(member.state, generation=member.observed.generation, head=member.head)
        wanted, live = status_mark(status), member.observed.status
        if live == wanted or self._written.get(member) == (wanted, live):
            return
        # One request for all of it: RFC 6902 "add" replaces a member that exists.
        patch = [{"op": "add", "path": "/status", "value": status}]
        after = await self._cluster.patch(_ref(member), patch, type="json", subresource="status")
        mark = status_mark(after.get("status"))
        if self._written.get(member) == (wanted, mark) and live != mark:
            log.debug("the status of %s/%s is written by somebody else too", *member.target[:2])
        self._written[member] = (wanted, mark)
        member.observed = member.observed._replace(status=mark)

    async def _inventory(self, member: Member) -> None:
        stages, before = member.state.stages, self._stages.get(member, {})
        for name, stage in stages.items():
            # States are values: the same one needs no look.
            if before.get(name) is not stage:
                await self._write_inventory(stage, self._stage_of(member, name))
        for name in before.keys() - stages.keys():
            await self._inventories.delete(self._stage_of(member, name))
        self._stages[member] = stages

    async def _write_inventory(self, stage: StageState, of: StageOf) -> None:
        refs = [
            ref
            for owned in stage.owned.values()
            if owned.uid and (ref := ref_of_entry(owned.id, version=owned.v)) is not None
        ]
        if not refs and not stage.digest:
            return
        shards = shard_objects(refs, of=of, position=stage.position, entries_max=self._shard_cap)
        result = await self._inventories.write(shards, of=of)
        if result.failure is not None:
            raise errors.Unavailable(result.failure.words())

    async def _event(self, member: Member) -> None:
        """A Kubernetes Event for each transition of (Ready status, reason)."""
        status, reason, text = ready_of(member.state)
        if member.state.version == 0 or status == "Unknown":
            return
        before = self._shown.get(member, member.observed.ready)
        self._shown[member] = (status, reason)
        if before == (status, reason):
            return
        try:
            await self._cluster.create(self._event_object(member, status=status, reason=reason, text=text))
        except errors.AlreadyExists:
            return

    def _event_object(self, member: Member, *, status: str, reason: str, text: str) -> Object:
        target = member.target
        # MicroTime has six decimals.
        when = to_text(self._clock.now_ms())[:-1] + "000Z"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            # Derived, so that a second try is not a second Event.
            "metadata": {
                "name": f"{target.name[:200]}.{target.uid[:8]}.{member.state.version}",
                "namespace": target.namespace,
            },
            "eventTime": when,
            "reportingController": names.CONTROLLER,
            "reportingInstance": names.CONTROLLER,
            "action": reason,
            "reason": reason,
            "type": "Normal" if status == "True" else "Warning",
            "note": reasons.note(reason, text),
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": "StageSet",
                "namespace": target.namespace,
                "name": target.name,
                "uid": target.uid,
            },
        }

    @staticmethod
    def _stage_of(member: Member, stage: str) -> StageOf:
        target = member.target
        return StageOf(namespace=target.namespace, name=target.name, uid=target.uid, stage=stage)


def _ref(member: Member) -> Ref:
    return Ref(names.API_VERSION, "StageSet", member.target.namespace, member.target.name)
