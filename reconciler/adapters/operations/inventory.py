"""INVENTORY: make the StageInventory objects of a stage what the ledger says they should be.

Not ownership: deleting these objects loses nothing. Invariant: a stage whose shards are as they were last seen costs no
request.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reconciler import errors
from reconciler.adapters.operations.failures import Failure, failure_of
from reconciler.api import names
from reconciler.compute.inventory import KIND, Changes, StageOf, diff, digest_of
from reconciler.ports.cluster import Cluster, Object, Ref, Scope

#: Rounds of list and write when somebody else writes at the same time.
ROUNDS_MAX = 3


class InventoryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a write did. `failure` is None when the cluster now shows the desired shards."""

    created: int = 0
    replaced: int = 0
    deleted: int = 0
    failure: Failure | None = None


class InventoryWriter:
    """Remembers a digest of what each stage's shards are known to be; one for each cluster identity."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[StageOf, str] = {}

    def forget(self, of: StageOf) -> None:
        """Somebody changed or deleted an inventory of this stage: the next write looks again."""
        self._known.pop(of, None)

    async def write(self, desired: Sequence[Object], *, of: StageOf) -> InventoryResult:
        """Create, replace and delete until the stage's shards are `desired`; no request if they are known to be."""
        digest = digest_of(desired)
        if self._known.get(of) == digest:
            return InventoryResult()
        # Noted before it is done: whoever changes it meanwhile makes it forgotten again.
        self._known[of] = digest
        result = await self._write(desired, of)
        if result.failure is not None:
            self._known.pop(of, None)
        return result

    async def delete(self, of: StageOf) -> InventoryResult:
        """Delete all shards of a stage that left the spec."""
        self._known.pop(of, None)
        return await self._write([], of)

    async def _write(self, desired: Sequence[Object], of: StageOf) -> InventoryResult:
        scope = Scope(
            names.API_VERSION, KIND, of.namespace, label_selector=names.inventory_selector(name=of.name, stage=of.stage)
        )
        done = InventoryResult()
        for attempt in range(1, ROUNDS_MAX + 1):
            try:
                changes = diff(desired, stored=(await self._cluster.list(scope)).items)
                if not changes.count:
                    return done
                done = await self._perform(changes, of, done=done)
            except (errors.Conflict, errors.AlreadyExists) as error:
                if attempt == ROUNDS_MAX:
                    return msgspec.structs.replace(done, failure=self._failure(error, of))
            except errors.ClusterError as error:
                return msgspec.structs.replace(done, failure=self._failure(error, of))
            else:
                return done
        return done

    async def _perform(self, changes: Changes, of: StageOf, *, done: InventoryResult) -> InventoryResult:
        for shard in changes.create:
            await self._cluster.create(shard)
        for shard in changes.replace:
            await self._cluster.replace(shard)
        for name in changes.delete:
            try:
                await self._cluster.delete(Ref(names.API_VERSION, KIND, of.namespace, name))
            except errors.NotFound:
                continue
        return InventoryResult(
            created=done.created + len(changes.create),
            replaced=done.replaced + len(changes.replace),
            deleted=done.deleted + len(changes.delete),
        )

    @staticmethod
    def _failure(error: errors.ClusterError, of: StageOf) -> Failure:
        return failure_of(error, ref=Ref(names.API_VERSION, KIND, of.namespace, f"{of.name}/{of.stage}"))
