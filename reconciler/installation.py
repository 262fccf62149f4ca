"""Everything that runs for one ledger and one cluster, put together; the parts that reach the world are given.

The controller process, the demo and the simulation all start this: there is one way to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from ledger.errors import AppendRefused
from ledger.events import Pin
from ledger.log import Reader
from reconciler.adapters.announcing import Announcer
from reconciler.adapters.asking import Asking
from reconciler.adapters.drift import Inspector, Sentry, Sight, is_kept, kept_of
from reconciler.adapters.hands import Performer, Tools
from reconciler.adapters.inventories import Inventories
from reconciler.adapters.projector import Projector
from reconciler.adapters.recovery import Means, Recovery
from reconciler.adapters.sources import WatchedSources, project_source
from reconciler.adapters.stageledgers import StageLedgers, Surroundings
from reconciler.adapters.telling import Tellers
from reconciler.adapters.watches import Kept, Key, Subscription
from reconciler.api import names
from reconciler.compute.fields import text
from reconciler.compute.inventory import KIND as INVENTORY
from reconciler.compute.inventory import shard_of
from reconciler.compute.observed import project_stageset
from reconciler.loop.controller import Controller
from reconciler.loop.driver import Parts
from reconciler.loop.member import Member as LoopMember
from reconciler.loop.member import Shared
from reconciler.loop.memory import Memory
from reconciler.ports.cluster import Object, Scope
from reconciler.ports.hands import Hands
from reconciler.ports.members import Member, Observed, Teller
from reconciler.settings import Settings

_STAGESET = (names.API_VERSION, "StageSet")


class Given(NamedTuple):
    """What an installation is given."""

    tools: Tools
    settings: Settings
    memory: Memory
    #: the ledger, to look up what it has recorded
    reader: Reader
    teller: Teller
    epoch: int
    #: called when another writer took over the ledger
    dispossessed: Callable[[AppendRefused], None]
    #: asked before each effect: false once another controller may have taken over
    may_act: Callable[[], bool] = lambda: True
    #: the hands, where they are not the shipped ones
    hands: Hands | None = None


class Installation:
    """A running controller. Start it inside the event loop; close it before the journal and the cluster."""

    def __init__(self, given: Given) -> None:
        settings = given.settings
        tools = given.tools._replace(address=self._address)
        self._given = given
        self._halted = False
        self._clusters = tools.clusters
        self._namespaces = settings.watch_namespaces or ("",)
        self._subscriptions: list[Subscription] = []
        self._first_look: asyncio.Task[None] | None = None
        self._performer = Performer(tools)
        self.performer: Hands = given.hands or self._performer
        self.sources = WatchedSources(
            self._clusters.own.watches,
            on_change=self._sources_changed,
            namespaces=self._namespaces,
            cross_namespace=not settings.no_cross_namespace_refs,
        )
        self.inventories = Inventories(on_change=self._inventories_changed, on_synced=self._inventories_known)
        self.projector = Projector(
            self._clusters.own.cluster,
            clock=tools.clock,
            shard_cap=settings.inventory_shard_cap,
            inventories=self.inventories,
        )
        self.sentry = Sentry(Sight(tools, member=self._member, wide=not settings.watch_namespaces))
        self.inspector = Inspector(self._clusters, objects=self.sentry.look)
        self.announcer = Announcer(self._clusters.own.cluster, clock=tools.clock)
        self.stageledgers = StageLedgers(
            Surroundings(
                cluster=self._clusters.own.cluster,
                watches=self._clusters.own.watches,
                clock=tools.clock,
                namespaces=self._namespaces,
                on_change=self._stageledger_changed,
                on_known=partial(self._stageledger_changed, "", ""),
                cleared=lambda member: member.cleared,
            )
        )
        self.asking = Asking(self.stageledgers, cluster=self._clusters.own.cluster, now_ms=tools.clock.now_ms)
        self.recovery = Recovery(
            Means(
                cluster=self._clusters.own.cluster,
                reader=given.reader,
                clock=tools.clock,
                stageledger=self.stageledgers.shown,
            )
        )
        parts = Parts(
            journal=tools.journal,
            hands=self.performer,
            clock=tools.clock,
            epoch=given.epoch,
            dispossessed=given.dispossessed,
            may_act=self._may_act,
        )
        shared = Shared(
            parts=parts,
            sources=self.sources,
            settings=settings,
            outlet=self,
            teller=Tellers(given.teller, self.announcer),
            inspect=self.inspector,
            recover=self.recovery,
            beside=self.asking,
        )
        self.controller = Controller(shared=shared, memory=given.memory, gone=self._gone, absent=self._absent)

    def _address(self, pin: Pin) -> str:
        return self.sources.address(pin)

    def start(self) -> None:
        """Begin to watch. Returns at once."""
        watches = self._clusters.own.watches
        for namespace in self._namespaces:
            scope = Scope(*_STAGESET, namespace)
            self._subscriptions.append(watches.subscribe(scope, on_change=self._stageset_changed))
        first_looks = [watches.subscribe(Scope(*_STAGESET, namespace)) for namespace in self._namespaces]
        self._first_look = asyncio.ensure_future(self._look_first(first_looks))
        self.inventories.start(watches, namespaces=self._namespaces)
        self.stageledgers.start()

    @property
    def ready(self) -> bool:
        """Whether all StageSets have been seen once."""
        seen = all(subscription.synced for subscription in self._subscriptions)
        return bool(self._subscriptions) and seen and self.inventories.synced

    async def _look_first(self, looks: Sequence[Subscription]) -> None:
        """That a StageSet is not there is told by no change, and others may wait to hear it."""
        for look in looks:
            async with look:
                with suppress(RuntimeError):
                    await look.snapshot()
        self.controller.all_known()

    def _absent(self, key: tuple[str, str]) -> bool:
        """Whether it is known that a StageSet does not exist."""
        looked = [one for own, one in zip(self._namespaces, self._subscriptions, strict=False) if own in ("", key[0])]
        return bool(looked) and all(one.synced and one.get(Key(*key)) is None for one in looked)

    def halt(self) -> None:
        """From now on no effect starts; what is under way may end and be recorded."""
        self._halted = True

    def _may_act(self) -> bool:
        return not self._halted and self._given.may_act()

    async def close(self, *, grace_s: float = 0) -> None:
        """Stop looking, end what is under way, let projections finish. The ledger has the rest.

        Effects that must not be broken off, such as a request that was sent, get `grace_s` seconds to end.
        """
        self.halt()
        if self._first_look is not None:
            self._first_look.cancel()
        for subscription in self._subscriptions:
            subscription.close()
        self.inventories.close()
        self.sources.close()
        await self.recovery.close()
        await self.inspector.close()
        await self.sentry.close()
        await self.controller.close(grace_s=grace_s)
        await self._performer.close()
        await self.projector.close()
        await self.stageledgers.close()
        await self.asking.close()
        await self.announcer.close()
        await self._clusters.close()

    # ── Outlet ───────────────────────────────────────────────────────────────────────────────────────────────────

    def changed(self, member: Member) -> None:
        """Whatever shows the member may be out of date."""
        self.projector.changed(member)
        self.stageledgers.changed(member)
        self.sentry.changed(member)

    def _gone(self, member: LoopMember) -> None:
        self.projector.forget(member)
        self.stageledgers.forget(member)
        self.recovery.forget(member)
        self.asking.forget(member)
        self.sentry.forget(member)

    def _member(self, key: tuple[str, str]) -> Member | None:
        return self.controller.members.get(key)

    # ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────────

    def _stageledger_changed(self, namespace: str, name: str) -> None:
        for key, member in list(self.controller.members.items()):
            if not name or key == (namespace, name):
                member.driver.kick()
                self.stageledgers.changed(member)

    def _stageset_changed(self, key: Key, kept: Observed | None) -> None:
        self.controller.stageset(key.namespace, key.name, kept=kept)

    def _sources_changed(self, namespace: str) -> None:
        self.controller.sources_changed(namespace)

    def _inventories_changed(self, namespace: str, name: str) -> None:
        """Is what is there now what should be?"""
        member = self.controller.members.get((namespace, name))
        if member is not None and member.cleared:
            self.projector.inventories_changed(member)

    def _inventories_known(self) -> None:
        for member in self.controller.members.values():
            if member.cleared:
                self.projector.inventories_changed(member)


def project(scope: Scope, found: Object) -> Kept:
    """What shared watches keep of an object: of StageSets and sources the few fields that are read."""
    kind = scope.kind
    if is_kept(scope):
        return kept_of(found)
    if (scope.api_version, kind) == _STAGESET:
        return project_stageset(scope, found)
    if scope.api_version.partition("/")[0] == names.SOURCE_GROUP or _is_artifact(found):
        return project_source(found)
    if (scope.api_version, kind) == (names.API_VERSION, INVENTORY):
        return shard_of(found)
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key != "managedFields"}
    return {**found, "metadata": metadata}


def _is_artifact(found: Object) -> bool:
    return bool(text(found, "status", "artifact", "digest"))
