"""The steady look: are a ready StageSet's objects and variables still what they were when they were applied?

Reads metadata only and records nothing; what differs opens a run. At most a few looks at once.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from reconciler.adapters.clusters import Clusters
from reconciler.adapters.operations.existing import Live, read_existing
from reconciler.compute.fields import text
from reconciler.compute.inventory import ref_of_entry
from reconciler.errors import ClusterError, NotFound
from reconciler.ports.cluster import Ref
from reconciler.ports.members import Member
from reconciler.state import Owned, StageState

log = logging.getLogger(__name__)

CONCURRENT_MAX = 4
_REQUESTS_MAX = 4


class _Identity(msgspec.Struct, frozen=True, kw_only=True):
    service_account: str = msgspec.field(name="serviceAccountName", default="")


class Inspector:
    """Looks at the objects of members, on request."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
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
        try:
            async with self._slots:
                drifted = False
                for stage in member.state.stages.values():
                    drifted = drifted or await self._looked(member, stage)
            member.inspected(drifted=drifted)
        finally:
            self._tasks.pop(member, None)

    async def _looked(self, member: Member, stage: StageState) -> bool:
        try:
            return await self._differs(member, stage)
        except ClusterError as error:
            # An outage of the API server turns nothing red: it is looked at again at the next interval.
            log.warning("steady look at %s/%s, stage %s: %s", *member.target[:2], stage.name, error.message)
            return False

    async def _differs(self, member: Member, stage: StageState) -> bool:
        hand = self._clusters.hand(member.target.namespace, stage.service_account)
        owned = {
            ref: one
            for one in stage.owned.values()
            if one.uid and not one.dropped and (ref := ref_of_entry(one.id, version=one.v)) is not None
        }
        found = await read_existing(hand.cluster, list(owned), limit=_REQUESTS_MAX)
        for ref, one in owned.items():
            # What could not be told may be gone: the run that follows finds out.
            if ref not in found or _changed(found[ref], one):
                return True
        return await self._variables_differ(member, stage)

    async def _variables_differ(self, member: Member, stage: StageState) -> bool:
        namespace = member.target.namespace
        # As for a build (CONTRACT §4.5): the StageSet's ServiceAccount, not the stage's.
        account = msgspec.json.decode(member.observed.spec, type=_Identity).service_account
        cluster = self._clusters.hand(namespace, account).cluster
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


def _changed(live: Live | None, owned: Owned) -> bool:
    """Whether an object is gone, another one, or differs outside its status."""
    if live is None:
        return True
    if live.uid != owned.uid:
        return True
    if live.generation is not None and owned.generation:
        return live.generation != owned.generation
    return live.resource_version != owned.rv
