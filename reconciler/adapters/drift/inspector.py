"""The steady look: are a ready StageSet's variables still what they were, and the objects that cannot be watched?

Records nothing; variables that differ open a run, objects that differ are told to the loop. At most a few looks at
once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from reconciler.adapters.clusters import Clusters
from reconciler.adapters.fair import FairSlots, working_for
from reconciler.compute.fields import text
from reconciler.errors import ClusterError, NotFound, OperationError
from reconciler.ports.cluster import Ref
from reconciler.ports.members import Member
from reconciler.state import StageState

log = logging.getLogger(__name__)

CONCURRENT_MAX = 4


class _Identity(msgspec.Struct, frozen=True, kw_only=True):
    service_account: str = msgspec.field(name="serviceAccountName", default="")


class Inspector:
    """Looks at members, on request. `objects` looks at what they own."""

    def __init__(self, clusters: Clusters, *, objects: Callable[[Member], Awaitable[None]]) -> None:
        self._clusters, self._objects = clusters, objects
        self._slots = FairSlots(CONCURRENT_MAX)
        self._tasks: dict[Member, asyncio.Task[None]] = {}

    def __call__(self, member: Member) -> None:
        """Look soon; `Member.inspected` tells. A look under way is not begun again."""
        if member not in self._tasks:
            self._tasks[member] = asyncio.ensure_future(self._look(member))

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, member: Member) -> None:
        working_for(member.target.namespace)
        try:
            async with self._slots.turn():
                outdated = False
                for stage in member.state.stages.values():
                    outdated = outdated or await self._looked(member, stage)
                if not outdated:
                    await self._looked_at_objects(member)
            member.inspected(outdated=outdated)
        finally:
            self._tasks.pop(member, None)

    async def _looked(self, member: Member, stage: StageState) -> bool:
        try:
            return await self._variables_differ(member, stage)
        except (ClusterError, OperationError) as error:
            # An outage of the API server turns nothing red: it is looked at again at the next interval.
            log.warning("steady look at %s/%s, stage %s: %s", *member.target[:2], stage.name, error.message)
            return False

    async def _looked_at_objects(self, member: Member) -> None:
        try:
            await self._objects(member)
        except (ClusterError, OperationError) as error:
            log.warning("steady look at %s/%s: %s", *member.target[:2], error.message)

    async def _variables_differ(self, member: Member, stage: StageState) -> bool:
        namespace = member.target.namespace
        # As for a build (CONTRACT §4.5): the StageSet's ServiceAccount, not the stage's.
        account = msgspec.json.decode(member.observed.spec, type=_Identity).service_account
        cluster = self._clusters.local(namespace, account).cluster
        for origin in stage.variables:
            where, _, version = origin.rpartition("@")
            kind, _, name = where.partition("/")
            try:
                live = text(await cluster.get(Ref("v1", kind, namespace, name)), "metadata", "resourceVersion")
            except NotFound:
                live = "absent"
            if live != version:
                return True
        return False
