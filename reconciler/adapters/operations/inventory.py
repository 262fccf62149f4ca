"""INVENTORY: make the StageInventory objects of a stage what the ledger says they should be.

Not ownership: deleting these objects loses nothing. Invariant: shards that are shown as they should be cost no request,
at a start as at rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from reconciler import errors
from reconciler.adapters.operations.failures import Failure, failure_of
from reconciler.adapters.watches import Key
from reconciler.api import names
from reconciler.compute.fields import text
from reconciler.compute.inventory import KIND, Shard, StageOf, replacement, shard_of
from reconciler.ports.cluster import Cluster, Object, Ref

#: Rounds of reading and writing when somebody else writes at the same time.
ROUNDS_MAX = 3


class InventoryResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a write did. `failure` is None when the cluster now shows the desired shards."""

    created: int = 0
    replaced: int = 0
    deleted: int = 0
    failure: Failure | None = None


class Shown(Protocol):
    """What the cluster is known to show of inventories."""

    def get(self, key: Key) -> Shard | None: ...

    def of(self, namespace: str, name: str) -> dict[str, str]:
        """The names of a StageSet's inventories, with the stage of each."""

    def shows(self, key: Key, wanted: Shard) -> bool: ...

    def expect(self, key: Key, wanted: Shard | None) -> None:
        """A write is about to be made."""

    def unsure(self, key: Key) -> None:
        """It failed."""

    def became(self, key: Key, wanted: Shard, found: Shard) -> None:
        """What the server made of it."""


class InventoryWriter:
    """Writes what `shown` does not show; one for each cluster identity."""

    def __init__(self, cluster: Cluster, *, shown: Shown) -> None:
        self._cluster, self._shown = cluster, shown

    async def write(self, desired: Sequence[Object], *, of: StageOf) -> InventoryResult:
        """Create, replace and delete until the stage's shards are `desired`; no request for what is shown so."""
        done = Counter[str]()
        wanted = {text(shard, "metadata", "name"): shard for shard in desired}
        shown = self._shown.of(of.namespace, of.name)
        try:
            for name, shard in wanted.items():
                mark = shard_of(shard)
                if not self._shown.shows(Key(of.namespace, name), mark):
                    how = await self._put(shard, Key(of.namespace, name), wanted=mark)
                    if how:
                        done[how] += 1
            done["deleted"] += await self._delete(
                (name for name, stage in shown.items() if stage == of.stage and name not in wanted), of
            )
        except errors.ClusterError as error:
            failure = failure_of(error, ref=Ref(names.API_VERSION, KIND, of.namespace, f"{of.name}/{of.stage}"))
            return _result(done, failure=failure)
        return _result(done)

    async def delete(self, of: StageOf) -> InventoryResult:
        """Delete all shards of a stage that left the spec."""
        return await self.write([], of=of)

    async def _put(self, shard: Object, key: Key, *, wanted: Shard) -> str:
        """Make one shard what it should be; returns what that took."""
        absent = self._shown.get(key) is None
        self._shown.expect(key, wanted)
        try:
            for attempt in range(1, ROUNDS_MAX + 1):
                try:
                    after = await self._create(shard) if absent else await self._replace(shard, key, wanted=wanted)
                except (errors.Conflict, errors.AlreadyExists, errors.NotFound) as error:
                    if attempt == ROUNDS_MAX:
                        raise
                    absent = isinstance(error, errors.NotFound)
                else:
                    break
        except errors.ClusterError:
            self._shown.unsure(key)
            raise
        if after is not None:
            self._shown.became(key, wanted, shard_of(after))
        return "" if after is None else "created" if absent else "replaced"

    async def _create(self, shard: Object) -> Object:
        return await self._cluster.create(shard)

    async def _replace(self, shard: Object, key: Key, *, wanted: Shard) -> Object | None:
        """None where it turned out to be right."""
        live = await self._cluster.get(Ref(names.API_VERSION, KIND, key.namespace, key.name))
        return None if shard_of(live) == wanted else await self._cluster.replace(replacement(shard, live))

    async def _delete(self, which: Iterable[str], of: StageOf) -> int:
        count = 0
        for name in which:
            key = Key(of.namespace, name)
            self._shown.expect(key, None)
            try:
                await self._cluster.delete(Ref(names.API_VERSION, KIND, of.namespace, name))
                count += 1
            except errors.NotFound:
                continue
            except errors.ClusterError:
                self._shown.unsure(key)
                raise
        return count


def _result(done: Counter[str], *, failure: Failure | None = None) -> InventoryResult:
    return InventoryResult(created=done["created"], replaced=done["replaced"], deleted=done["deleted"], failure=failure)
