from __future__ import annotations

import asyncio
from typing import Any

from reconciler import errors
from reconciler.adapters.operations.inventory import InventoryResult, InventoryWriter
from reconciler.adapters.watches import Key
from reconciler.api import names
from reconciler.compute.inventory import Shard, StageOf, parse, shard_objects, shard_of
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Scripted

OF = StageOf(namespace="team", name="app", uid="uid-app", stage="s")
OTHER = StageOf(namespace="team", name="app", uid="uid-app", stage="other")


def shards(count: int, *, of: StageOf = OF, entries_max: int = 2) -> list[Object]:
    refs = [Ref("v1", "ConfigMap", "shop", f"c{i}") for i in range(count)]
    return shard_objects(refs, of=of, position=0, entries_max=entries_max)


class Shown:
    """What a watch that is never late shows of a cluster; it can be stopped."""

    def __init__(self, cluster: Scripted) -> None:
        self._cluster = cluster
        self.stopped: dict[str, Object] | None = None
        self.expected: dict[str, Shard | None] = {}
        self.made: dict[str, Shard] = {}

    def _objects(self) -> dict[str, Object]:
        live = {one["metadata"]["name"]: one for one in self._cluster.objects.values()}
        return live if self.stopped is None else self.stopped

    def get(self, key: Key) -> Shard | None:
        found = self._objects().get(key.name)
        return None if found is None else shard_of(found)

    def of(self, namespace: str, name: str) -> dict[str, str]:
        found = {own: shard_of(one) for own, one in self._objects().items()}
        return {own: shard.stage for own, shard in found.items() if shard.stageset == name}

    def shows(self, key: Key, wanted: Shard) -> bool:
        return self.get(key) == wanted

    def expect(self, key: Key, wanted: Shard | None) -> None:
        self.expected[key.name] = wanted

    def unsure(self, key: Key) -> None:
        del self.expected[key.name]

    def became(self, key: Key, wanted: Shard, found: Shard) -> None:
        self.made[key.name] = found


def writing(cluster: Scripted) -> InventoryWriter:
    return InventoryWriter(cluster, shown=Shown(cluster))


def write(writer: InventoryWriter, desired: list[Object], *, of: StageOf = OF) -> InventoryResult:
    return asyncio.run(writer.write(desired, of=of))


def stored(cluster: Scripted) -> int:
    return len(parse(cluster.objects.values()).refs)


def test_shards_are_created_at_once_then_unchanged_ones_cost_no_request() -> None:
    cluster = Scripted()
    writer = writing(cluster)
    assert write(writer, shards(3)) == InventoryResult(created=2)
    assert stored(cluster) == 3
    assert [verb for verb, _ in cluster.requests] == ["create", "create"]
    cluster.requests.clear()
    assert write(writing(cluster), shards(3)) == InventoryResult()
    assert cluster.requests == []


def test_only_what_differs_is_written_and_other_stages_are_left_alone() -> None:
    cluster = Scripted()
    writer = writing(cluster)
    write(writer, shards(1, of=OTHER), of=OTHER)
    write(writer, shards(6))
    assert write(writer, shards(5)) == InventoryResult(replaced=1)
    assert write(writer, shards(2)) == InventoryResult(deleted=2)
    assert len(cluster.objects) == 2
    assert asyncio.run(writer.delete(OF)) == InventoryResult(deleted=1)
    assert len(cluster.objects) == 1


def test_what_the_watch_shows_late_is_looked_at_and_not_written() -> None:
    cluster = Scripted()
    write(writing(cluster), shards(3))
    late = Shown(cluster)
    late.stopped = {}
    assert write(InventoryWriter(cluster, shown=late), shards(3)) == InventoryResult()
    late.stopped = {one["metadata"]["name"]: one for one in shards(3)}
    cluster.objects.clear()
    late.stopped[next(iter(late.stopped))]["spec"] = {}
    assert write(InventoryWriter(cluster, shown=late), shards(3)) == InventoryResult(created=1)


def test_one_whose_labels_were_taken_away_is_found_by_its_name() -> None:
    cluster = Scripted()
    write(writing(cluster), shards(1))
    (live,) = cluster.objects.values()
    live["metadata"]["labels"] = {}
    assert write(writing(cluster), shards(1)) == InventoryResult(replaced=1)
    (live,) = cluster.objects.values()
    assert live["metadata"]["labels"] == names.inventory_labels(name="app", stage="s", shard=0)


def test_what_is_written_is_expected_before_and_a_failure_is_not() -> None:
    cluster = Scripted()
    shown = Shown(cluster)
    (desired,) = shards(1)
    cluster.before = lambda verb, what: errors.Forbidden("no") if not shown.expected else None
    assert write(InventoryWriter(cluster, shown=shown), [desired]) == InventoryResult(created=1)
    assert shown.expected == shown.made == {desired["metadata"]["name"]: shard_of(desired)}
    cluster.before = lambda verb, what: errors.Forbidden("no")
    assert write(InventoryWriter(cluster, shown=shown), []).failure is not None
    assert shown.expected == {}


def test_another_writer_is_overcome_by_looking_again() -> None:
    cluster = Scripted()
    writer = writing(cluster)
    write(writer, shards(2))
    raced: list[Any] = []

    def race(verb: str, what: Any) -> Exception | None:
        if verb == "replace" and not raced:
            raced.append(cluster.put({**cluster.objects[what], "spec": {}}))
        return None

    cluster.before = race
    assert write(writer, shards(1)) == InventoryResult(replaced=1)
    assert stored(cluster) == 1


def test_a_refusal_is_data_and_is_tried_again_the_next_time() -> None:
    cluster = Scripted()
    writer = writing(cluster)
    cluster.before = lambda verb, what: errors.Forbidden("stageinventories is forbidden") if verb == "create" else None
    failure = write(writer, shards(1)).failure
    assert failure is not None
    assert failure.message == "StageInventory team/app/s: stageinventories is forbidden"
    cluster.before = lambda verb, what: None
    assert write(writer, shards(1)) == InventoryResult(created=1)


def test_endless_conflicts_end() -> None:
    cluster = Scripted()
    cluster.before = lambda verb, what: errors.Conflict("busy") if verb == "create" else None
    failure = write(writing(cluster), shards(1)).failure
    assert failure is not None
    assert failure.retryable
    assert cluster.count("create") == 2
    assert cluster.count("get") == 1
