from __future__ import annotations

import asyncio
from typing import Any

from reconciler import errors
from reconciler.adapters.operations.inventory import InventoryResult, InventoryWriter
from reconciler.compute.inventory import StageOf, parse, shard_objects
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Scripted

OF = StageOf(namespace="team", name="app", uid="uid-app", stage="s")
OTHER = StageOf(namespace="team", name="app", uid="uid-app", stage="other")


def shards(count: int, *, of: StageOf = OF, entries_max: int = 2) -> list[Object]:
    refs = [Ref("v1", "ConfigMap", "shop", f"c{i}") for i in range(count)]
    return shard_objects(refs, of=of, position=0, entries_max=entries_max)


def write(writer: InventoryWriter, desired: list[Object], *, of: StageOf = OF) -> InventoryResult:
    return asyncio.run(writer.write(desired, of=of))


def stored(cluster: Scripted) -> int:
    return len(parse(cluster.objects.values()).refs)


def test_shards_are_created_then_unchanged_ones_cost_no_request() -> None:
    cluster = Scripted()
    writer = InventoryWriter(cluster)
    assert write(writer, shards(3)) == InventoryResult(created=2)
    assert stored(cluster) == 3
    cluster.requests.clear()
    assert write(writer, shards(3)) == InventoryResult()
    assert cluster.requests == []


def test_after_a_restart_what_is_found_as_desired_is_left_alone() -> None:
    cluster = Scripted()
    write(InventoryWriter(cluster), shards(3))
    cluster.requests.clear()
    writer = InventoryWriter(cluster)
    assert write(writer, shards(3)) == InventoryResult()
    assert write(writer, shards(3)) == InventoryResult()
    assert cluster.requests == [("list", "StageInventory team/*")]


def test_only_what_differs_is_written_and_other_stages_are_left_alone() -> None:
    cluster = Scripted()
    writer = InventoryWriter(cluster)
    write(writer, shards(1, of=OTHER), of=OTHER)
    write(writer, shards(6))
    assert write(writer, shards(5)) == InventoryResult(replaced=1)
    assert write(writer, shards(2)) == InventoryResult(deleted=2)
    assert len(cluster.objects) == 2
    assert asyncio.run(writer.delete(OF)) == InventoryResult(deleted=1)
    assert len(cluster.objects) == 1


def test_deleted_inventories_are_written_again_once_that_is_noticed() -> None:
    cluster = Scripted()
    writer = InventoryWriter(cluster)
    write(writer, shards(3))
    cluster.objects.clear()
    writer.forget(OF)
    assert write(writer, shards(3)) == InventoryResult(created=2)


def test_another_writer_is_overcome_by_looking_again() -> None:
    cluster = Scripted()
    writer = InventoryWriter(cluster)
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
    writer = InventoryWriter(cluster)
    cluster.before = lambda verb, what: errors.Forbidden("stageinventories is forbidden") if verb == "create" else None
    failure = write(writer, shards(1)).failure
    assert failure is not None
    assert failure.message == "StageInventory team/app/s: stageinventories is forbidden"
    cluster.before = lambda verb, what: None
    assert write(writer, shards(1)) == InventoryResult(created=1)


def test_endless_conflicts_end() -> None:
    cluster = Scripted()
    cluster.before = lambda verb, what: errors.Conflict("busy") if verb == "create" else None
    failure = write(InventoryWriter(cluster), shards(1)).failure
    assert failure is not None
    assert failure.retryable
    assert cluster.count("create") == 3
