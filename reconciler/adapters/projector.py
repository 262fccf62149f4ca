"""Projections into the cluster: status, inventories, the finalizer, Kubernetes Events. None of them is ever read back.

One request at a time for each StageSet, always from its newest state. A write that fails is tried again; the ledger
does not wait for it. Invariant: at rest next to nothing is kept, and what the cluster shows as it should be costs no
request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, NamedTuple

from reconciler import errors
from reconciler.adapters.inventories import Inventories
from reconciler.adapters.operations.inventory import InventoryResult, InventoryWriter
from reconciler.adapters.projector_turns import Turns
from reconciler.api import names
from reconciler.compute.fields import text
from reconciler.compute.inventory import StageOf, ref_of_entry, shard_objects
from reconciler.compute.kubeevents import Told, event_object
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
        inventories: Inventories,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._cluster, self._clock = cluster, clock
        self._shard_cap = shard_cap
        self._inventories = inventories
        self._writer = InventoryWriter(cluster, shown=inventories)
        self._turns = Turns(self._project, at_once=CONCURRENT_MAX, sleep=sleep, tenant=_tenant)
        #: until the watch shows it
        self._written: dict[Member, _Written] = {}
        #: status and reason that were last told by an Event, or were there before us
        self._shown: dict[Member, tuple[str, str]] = {}
        #: while a run is at work: the stages whose inventories are right
        self._stages: dict[Member, dict[str, StageState]] = {}
        #: finalizers that were last wanted, and the version of the object that was to have them, until it has them
        self._finalizers: dict[Member, tuple[str, tuple[str, ...]]] = {}

    def changed(self, member: Member) -> None:
        """Something of the member may differ from what the cluster shows."""
        self._turns.ask(member)

    def inventories_changed(self, member: Member) -> None:
        """Somebody changed or deleted an inventory, or it is known now what there is."""
        self._stages.pop(member, None)
        self._turns.ask(member)

    def forget(self, member: Member) -> None:
        """The StageSet is gone."""
        for kept in (self._written, self._shown, self._stages, self._finalizers):
            kept.pop(member, None)
        self._turns.forget(member)

    async def close(self) -> None:
        """Let what is under way finish; what fails now is written after the next start."""
        await self._turns.close()

    async def _project(self, member: Member) -> float:
        try:
            await self._once(member)
        except errors.NotFound:
            # The StageSet is gone: its watch says so in a moment.
            return 0.0
        except errors.ClusterError as error:
            log.warning("projection of %s/%s: %s", *member.target[:2], error.message)
            return max(PAUSE_S, error.retry_after_s)
        return 0.0

    async def _once(self, member: Member) -> None:
        if names.FINALIZER not in member.observed.finalizers:
            if not member.observed.deleting:
                await self._finalizer(member, (*member.observed.finalizers, names.FINALIZER))
            return
        if member.state.phase != Phase.RELEASED:
            self._finalizers.pop(member, None)
        # Before the status is written: from then on the watch shows our own word.
        self._shown.setdefault(member, member.observed.ready)
        await self._status(member)
        if not member.state.left:
            # What is left behind may be so because nothing can be written here any more; they are collected anyway.
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
            self._written.pop(member, None)
            return
        if before is not None and before.wanted == wanted and (live == before.became or before.is_newer(member)):
            return
        # One request for all of it: RFC 6902 "add" replaces a member that exists.
        patch = [{"op": "add", "path": "/status", "value": status}]
        after = await self._cluster.patch(_ref(member), patch, type="json", subresource="status")
        version = text(after, "metadata", "resourceVersion")
        self._written[member] = _Written(wanted, status_mark(after.get("status")), version)

    async def _inventory(self, member: Member) -> None:
        if not self._inventories.synced:
            # It is not known what there is; once it is, all are looked at.
            return
        state = member.state
        right = self._stages.setdefault(member, {})
        for name, stage in state.stages.items():
            if right.get(name) is not stage:
                # Noted before it is done, so that somebody who deletes it meanwhile is not missed.
                right[name] = stage
                try:
                    await self._write_inventory(stage, self._stage_of(member, name))
                except errors.ClusterError:
                    right.pop(name, None)
                    raise
        # Also of those that whoever ran before us was killed before taking away.
        shown = self._inventories.of(*member.target[:2])
        for name in sorted(set(shown.values()) - state.stages.keys()):
            right.pop(name, None)
            _must(await self._writer.delete(self._stage_of(member, name)))
        if state.resting:
            self._stages.pop(member, None)

    async def _write_inventory(self, stage: StageState, of: StageOf) -> None:
        refs = [
            ref
            for owned in stage.owned.values()
            if owned.uid and (ref := ref_of_entry(owned.id, version=owned.v)) is not None
        ]
        if not refs and not stage.digest:
            return
        shards = shard_objects(refs, of=of, position=stage.position, entries_max=self._shard_cap)
        _must(await self._writer.write(shards, of=of))

    async def _event(self, member: Member) -> None:
        """A Kubernetes Event for each transition of (Ready status, reason)."""
        status, reason, message = ready_of(member.state)
        if member.state.version == 0 or status == "Unknown" or self._shown[member] == (status, reason):
            return
        event = self._event_object(member, status=status, reason=reason, message=message)
        try:
            await self._cluster.create(event)
        except errors.AlreadyExists:
            pass
        except errors.Forbidden as error:
            # In a namespace that is terminating nothing can be made any more, and its end must not wait for us.
            log.warning("an Event of %s/%s: %s", *member.target[:2], error.message)
        self._shown[member] = (status, reason)

    def _event_object(self, member: Member, *, status: str, reason: str, message: str) -> Object:
        # Derived from the version, so that a second try is not a second Event.
        kind: Literal["Normal", "Warning"] = "Normal" if status == "True" else "Warning"
        told = Told(type=kind, reason=reason, message=message, cause=str(member.state.version))
        return event_object(told, regarding=_ref(member), uid=member.target.uid, at_ms=self._clock.now_ms())

    @staticmethod
    def _stage_of(member: Member, stage: str) -> StageOf:
        target = member.target
        return StageOf(namespace=target.namespace, name=target.name, uid=target.uid, stage=stage)


def _tenant(member: Member) -> str:
    return member.target.namespace


def _ref(member: Member) -> Ref:
    return Ref(names.API_VERSION, "StageSet", member.target.namespace, member.target.name)


def _must(result: InventoryResult) -> None:
    if result.failure is not None:
        raise errors.Unavailable(result.failure.words())
