"""The StageLedgers of all StageSets: watched, and kept as the states say.

Not the completions: those are in the ledger of records. Invariant: a status is written only once everything that the
shown one says has been taken over, so that no completion is lost by writing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from ledger.envelope import Actor, Draft
from ledger.events import ActionAdopted
from reconciler import errors
from reconciler.adapters.fair import FairSlots, working_for
from reconciler.adapters.watches import Key, Subscription, Watches
from reconciler.api import names
from reconciler.compute.fields import text
from reconciler.compute.kubeevents import Told, event_object
from reconciler.compute.stageledger import (
    BASELINE_INVALID,
    KIND,
    StageLedgerShown,
    desired,
    facts_of,
    invalid_baseline,
    shown_of,
)
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Scope
from reconciler.ports.members import Member
from reconciler.state import State

log = logging.getLogger(__name__)

#: Pause before a projection that failed is tried again, in seconds.
PAUSE_S = 2.0
#: It doubles with each failure up to this.
PAUSE_MAX_S = 60.0
#: StageLedgers that are written at once.
CONCURRENT_MAX = 8


class Surroundings(NamedTuple):
    """What the projection of StageLedgers is given."""

    cluster: Cluster
    watches: Watches
    clock: Clock
    #: namespaces that are watched; an empty one is all
    namespaces: tuple[str, ...]
    #: called with namespace and name when a StageLedger is not as it was; with empty ones when that may be so of any
    on_change: Callable[[str, str], None]
    #: called when all StageLedgers have been seen once, also where there are none
    on_known: Callable[[], None]
    #: whether the ledger is known not to be older than the world: before that, nothing may be written over
    cleared: Callable[[Member], bool]
    #: injected, so that a simulation owns the time
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep


class StageLedgers:
    """Watches StageLedgers and writes their status. Make it inside the event loop."""

    def __init__(self, given: Surroundings) -> None:
        self._given = given
        self._shown: dict[tuple[str, str], StageLedgerShown] = {}
        self._subscriptions: list[Subscription] = []
        self._first_looks: set[asyncio.Task[None]] = set()
        self._slots = FairSlots(CONCURRENT_MAX)
        self._tasks: dict[Member, asyncio.Task[None]] = {}
        self._again: set[Member] = set()
        self._closing = False
        #: what was last told of a baseline, or was there before us
        self._told: dict[Member, str] = {}

    def start(self) -> None:
        """Begin to watch. Returns at once."""
        for namespace in self._given.namespaces:
            scope = Scope(names.API_VERSION, KIND, namespace)
            subscription = self._given.watches.subscribe(scope, on_change=self._changed, on_problem=self._problem)
            self._subscriptions.append(subscription)
            look = asyncio.ensure_future(self._first_look(subscription))
            self._first_looks.add(look)
            look.add_done_callback(self._first_looks.discard)

    @property
    def known(self) -> bool:
        """Whether all StageLedgers have been seen once. Where the kind is not installed there are none."""
        return bool(self._subscriptions) and all(
            subscription.synced or isinstance(subscription.problem, errors.NoSuchKind)
            for subscription in self._subscriptions
        )

    def shown(self, namespace: str, name: str) -> StageLedgerShown | None:
        """The StageLedger of a StageSet as it was last seen; None where there is none, or none is `known` yet."""
        return self._shown.get((namespace, name))

    def fact(self, member: Member, state: State) -> Draft | Literal[False] | None:
        """A completion that is shown or declared and that the state does not have, as it is to be recorded.

        None where there is none, false where that is not known yet: until it is, nothing may be done.
        """
        if not self.known:
            return False
        for stage, event in self._facts(member, state):
            return Draft(event=event, actor=Actor(kind="world", id=KIND, how=event.source), stage=stage)
        return None

    def changed(self, member: Member) -> None:
        """The member's state, its spec or its StageLedger is not as it was."""
        if member in self._tasks:
            self._again.add(member)
            return
        if self._wanted(member) is not None:
            self._tasks[member] = asyncio.ensure_future(self._project(member))

    def forget(self, member: Member) -> None:
        """The StageSet is gone; its StageLedger stays."""
        self._told.pop(member, None)
        self._again.discard(member)
        task = self._tasks.pop(member, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop watching and let what is under way finish."""
        self._closing = True
        for look in self._first_looks:
            look.cancel()
        for subscription in self._subscriptions:
            subscription.close()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _facts(self, member: Member, state: State) -> list[tuple[str, ActionAdopted]]:
        return facts_of(state, shown=self.shown(*member.target[:2]), spec=member.observed.spec)

    async def _first_look(self, subscription: Subscription) -> None:
        """Whoever waits to hear what there is hears it also where there is nothing."""
        with suppress(RuntimeError):
            for key, found in (await subscription.snapshot()).items():
                self._changed(key, found)
            if self.known:
                self._given.on_known()

    def _changed(self, key: Key, found: Object | None) -> None:
        before = self._shown.get((key.namespace, key.name))
        if found is None:
            self._shown.pop((key.namespace, key.name), None)
        elif before is None or not _is_older(found, before):
            self._shown[key.namespace, key.name] = shown_of(found)
        self._given.on_change(key.namespace, key.name)

    def _problem(self, problem: errors.ClusterError | None) -> None:
        if isinstance(problem, errors.NoSuchKind):
            log.warning("StageLedgers cannot be kept: %s: install the definitions in deploy/crds", problem.message)
            # Whoever waits to hear that there are none has waited long enough.
            self._given.on_change("", "")

    def _wanted(self, member: Member) -> dict[str, Any] | None:
        """The status to be written; None where nothing is to be done, or not yet."""
        shown = self.shown(*member.target[:2])
        if not self.known or not self._given.cleared(member) or self._facts(member, member.state):
            return None
        status = desired(member.state, shown=shown, spec=member.observed.spec, head=member.head)
        if status is None or (shown is not None and status == shown.status):
            return None
        return status

    async def _project(self, member: Member) -> None:
        working_for(member.target.namespace)
        pause_s = PAUSE_S
        try:
            while True:
                self._again.discard(member)
                try:
                    async with self._slots.turn():
                        await self._once(member)
                except errors.ClusterError as error:
                    log.warning("StageLedger %s/%s: %s", *member.target[:2], error.message)
                    if self._closing:
                        return
                    # After a conflict too: by then the watch shows what was in the way.
                    await self._given.sleep(max(pause_s, error.retry_after_s))
                    pause_s = min(2 * pause_s, PAUSE_MAX_S)
                    continue
                if member not in self._again:
                    return
        finally:
            self._tasks.pop(member, None)

    async def _once(self, member: Member) -> None:
        status = self._wanted(member)
        if status is None:
            return
        shown = self.shown(*member.target[:2])
        if shown is None:
            shown = shown_of(await self._given.cluster.create(_bare(member)))
        self._told.setdefault(member, invalid_baseline(shown.status))
        # The version that was read is stated: a completion that somebody added meanwhile is not written over.
        metadata = {"namespace": shown.namespace, "name": shown.name, "resourceVersion": shown.resource_version}
        written = await self._given.cluster.replace(
            {"apiVersion": names.API_VERSION, "kind": KIND, "metadata": metadata, "status": status},
            subresource="status",
        )
        # What was written is what is shown, until the watch says otherwise.
        self._shown[shown.namespace, shown.name] = shown_of(written)
        await self._tell(member, shown, message=invalid_baseline(status))

    async def _tell(self, member: Member, shown: StageLedgerShown, *, message: str) -> None:
        if message and message != self._told[member]:
            told = Told(type="Warning", reason=BASELINE_INVALID, message=message, cause=f"{shown.generation}/{message}")
            event = event_object(told, regarding=shown.ref, uid=shown.uid, at_ms=self._given.clock.now_ms())
            with suppress(errors.AlreadyExists):
                await self._given.cluster.create(event)
        self._told[member] = message


def _bare(member: Member) -> Object:
    """A StageLedger without anything in it, and without an owner: it outlives its StageSet."""
    metadata = {"namespace": member.target.namespace, "name": member.target.name}
    return {"apiVersion": names.API_VERSION, "kind": KIND, "metadata": metadata}


def _is_older(found: Object, known: StageLedgerShown) -> bool:
    """Whether the watch shows what was there before our own write. Numbers compare by KEP-5504; others never do."""
    version = text(found, "metadata", "resourceVersion")
    return version.isdecimal() and known.resource_version.isdecimal() and int(version) < int(known.resource_version)
