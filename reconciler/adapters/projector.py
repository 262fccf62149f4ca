"""Projections into the cluster: status, inventories, the finalizer, Kubernetes Events. None of them is ever read back.

One request at a time for each StageSet, always from its newest state: what changed meanwhile is one more round, not a
queue. A write that fails is tried again; the ledger does not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from ledger.instant import to_text
from reconciler import errors
from reconciler.adapters.operations.inventory import InventoryResult, InventoryWriter
from reconciler.api import names, reasons
from reconciler.compute.fields import text
from reconciler.compute.inventory import KIND as INVENTORY
from reconciler.compute.inventory import StageOf, ref_of_entry, shard_objects
from reconciler.compute.observed import status_mark
from reconciler.compute.status import ready_of, status_of
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Ref, Scope
from reconciler.ports.members import Member
from reconciler.state import StageState
from reconciler.transitions import Phase

log = logging.getLogger(__name__)

#: Pause before a projection that failed is tried again, in seconds.
PAUSE_S = 2.0
#: StageSets that are written for at once.
CONCURRENT_MAX = 16


class _Written(NamedTuple):
    """A status that was written."""

    #: mark of what was wanted, and of what the server made of it
    wanted: str
    became: str
    #: resource version that it gave the object
    version: str

    def is_newer(self, member: Member) -> bool:
        """Whether the watch has not shown it yet. Numbers compare by KEP-5504; others never count as older."""
        seen = member.observed.resource_version
        return seen.isdecimal() and self.version.isdecimal() and int(seen) < int(self.version)


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
        self._closing = False
        self._written: dict[Member, _Written] = {}
        #: status and reason that were last told by an Event, or were there before us
        self._shown: dict[Member, tuple[str, str]] = {}
        #: marks of the stages whose inventories were last written; 0: there may be one, nobody knows what it says
        self._stages: dict[Member, dict[str, int]] = {}
        #: finalizers that were last wanted, and the version of the object that was to have them
        self._finalizers: dict[Member, tuple[str, tuple[str, ...]]] = {}

    def changed(self, member: Member) -> None:
        """Something of the member may differ from what the cluster shows."""
        if member in self._tasks:
            self._again.add(member)
            return
        self._tasks[member] = asyncio.ensure_future(self._project(member))

    def inventory_changed(self, of: StageOf, member: Member) -> None:
        """Somebody changed or deleted an inventory."""
        self._inventories.forget(of)
        if member in self._stages:
            self._stages[member][of.stage] = 0
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
        """Let what is under way finish; what fails now is written after the next start."""
        self._closing = True
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
                    if self._closing:
                        return
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
        # Before the status is written: from then on the watch shows our own word.
        self._shown.setdefault(member, member.observed.ready)
        await self._status(member)
        await self._inventory(member)
        await self._event(member)
        if member.state.phase == Phase.RELEASED:
            left = tuple(name for name in member.observed.finalizers if name != names.FINALIZER)
            await self._finalizer(member, left)

    async def _finalizer(self, member: Member, wanted: tuple[str, ...]) -> None:
        observed = member.observed
        if self._finalizers.get(member) == (observed.resource_version, wanted):
            return
        metadata = {"finalizers": list(wanted), "resourceVersion": observed.resource_version}
        # A conflict is tried again like any failure, from what the watch shows by then.
        await self._cluster.patch(_ref(member), {"metadata": metadata}, type="merge")
        self._finalizers[member] = (observed.resource_version, wanted)

    async def _status(self, member: Member) -> None:
        if member.state.version == 0:
            return
        status = status_of(member.state, generation=member.observed.generation, head=member.head)
        wanted, live, before = status_mark(status), member.observed.status, self._written.get(member)
        if live == wanted:
            return
        if before is not None and before.wanted == wanted and (live == before.became or before.is_newer(member)):
            return
        # One request for all of it: RFC 6902 "add" replaces a member that exists.
        patch = [{"op": "add", "path": "/status", "value": status}]
        after = await self._cluster.patch(_ref(member), patch, type="json", subresource="status")
        version = text(after, "metadata", "resourceVersion")
        self._written[member] = _Written(wanted, status_mark(after.get("status")), version)

    async def _inventory(self, member: Member) -> None:
        stages, shown = member.state.stages, self._stages.get(member)
        if shown is None:
            # Whoever ran before us may have been killed before it took away the inventory of a stage that left.
            shown = self._stages[member] = dict.fromkeys(await self._inventoried(member), 0)
        for name, stage in stages.items():
            mark = _mark(stage)
            if shown.get(name) != mark:
                # Noted before it is done, so that somebody who deletes it meanwhile is not missed.
                shown[name] = mark
                try:
                    await self._write_inventory(stage, self._stage_of(member, name))
                except errors.ClusterError:
                    # It may be there all the same: should the stage leave, it has to be deleted.
                    shown[name] = 0
                    raise
        for name in sorted(shown.keys() - stages.keys()):
            _must(await self._inventories.delete(self._stage_of(member, name)))
            shown.pop(name, None)

    async def _inventoried(self, member: Member) -> list[str]:
        """The stages that have an inventory in the cluster."""
        target, selector = member.target, names.inventory_selector(name=member.target.name)
        scope = Scope(names.API_VERSION, INVENTORY, target.namespace, label_selector=selector, metadata_only=True)
        listed = await self._cluster.list(scope)
        return sorted({text(found, "metadata", "labels", names.LABEL_STAGE) for found in listed.items})

    async def _write_inventory(self, stage: StageState, of: StageOf) -> None:
        refs = [
            ref
            for owned in stage.owned.values()
            if owned.uid and (ref := ref_of_entry(owned.id, version=owned.v)) is not None
        ]
        if not refs and not stage.digest:
            return
        shards = shard_objects(refs, of=of, position=stage.position, entries_max=self._shard_cap)
        _must(await self._inventories.write(shards, of=of))

    async def _event(self, member: Member) -> None:
        """A Kubernetes Event for each transition of (Ready status, reason)."""
        status, reason, message = ready_of(member.state)
        if member.state.version == 0 or status == "Unknown" or self._shown[member] == (status, reason):
            return
        event = self._event_object(member, status=status, reason=reason, message=message)
        with suppress(errors.AlreadyExists):
            await self._cluster.create(event)
        self._shown[member] = (status, reason)

    def _event_object(self, member: Member, *, status: str, reason: str, message: str) -> Object:
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
            "note": reasons.note(reason, message),
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


def _mark(stage: StageState) -> int:
    """Short mark of what an inventory shows of a stage; marks are compared within this process only."""
    return hash((stage.position, bool(stage.digest), *((one.id, one.v, bool(one.uid)) for one in stage.owned.values())))


def _ref(member: Member) -> Ref:
    return Ref(names.API_VERSION, "StageSet", member.target.namespace, member.target.name)


def _must(result: InventoryResult) -> None:
    if result.failure is not None:
        raise errors.Unavailable(result.failure.words())
