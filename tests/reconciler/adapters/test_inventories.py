"""What is known of inventories: from the watch, and of our own writes until the watch shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reconciler.adapters.inventories import Inventories
from reconciler.adapters.watches import Key, Watches
from reconciler.api import names
from reconciler.compute.inventory import Shard, StageOf, shard_objects, shard_of
from reconciler.installation import project
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.world import Clock, cluster_with_crds, settled, shown

DB = Key("shop", names.inventory_name("rel", "db", 0))


class Bench:
    def __init__(self, cluster: Any, *, uid: str) -> None:
        self.cluster, self.uid = cluster, uid
        self.told: list[tuple[str, str] | str] = []
        self.watches = Watches(cluster, jitter=lambda: 0.0, project=project)
        self.known = Inventories(
            on_change=lambda *whose: self.told.append(whose), on_synced=lambda: self.told.append("synced")
        )

    def shard(self, stage: str = "db", *, objects: int = 1) -> Object:
        refs = [Ref("v1", "ConfigMap", "shop", f"c{number}") for number in range(objects)]
        of = StageOf(namespace="shop", name="rel", uid=self.uid, stage=stage)
        (made,) = shard_objects(refs, of=of, position=0)
        return made

    async def start(self) -> None:
        self.known.start(self.watches, namespaces=("",))
        await settled(self.cluster)

    async def patch(self, **change: Any) -> None:
        ref = Ref(names.API_VERSION, "StageInventory", *DB)
        await self.cluster.patch(ref, change, type="merge")
        await settled(self.cluster)

    async def delete(self) -> None:
        await self.cluster.delete(Ref(names.API_VERSION, "StageInventory", *DB))
        await settled(self.cluster)


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def inside() -> None:
        cluster = await cluster_with_crds(Clock())
        # Without its owner an inventory is garbage.
        bench = Bench(cluster, uid=(await shown(cluster, names.FINALIZER)).target.uid)
        await test(bench)
        bench.known.close()
        await bench.watches.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_what_is_there_at_the_start_is_known_and_told_of_once() -> None:
    async def test(bench: Bench) -> None:
        for stage in ("db", "app"):
            await bench.cluster.create(bench.shard(stage))
        assert not bench.known.synced
        await bench.start()
        assert bench.known.synced
        assert bench.told == ["synced"]
        assert sorted(bench.known.of("shop", "rel").values()) == ["app", "db"]
        assert bench.known.shows(DB, shard_of(bench.shard()))
        assert not bench.known.shows(DB, shard_of(bench.shard(objects=2)))

    run(test)


def test_a_change_names_whose_it_was_and_whose_it_is() -> None:
    async def test(bench: Bench) -> None:
        await bench.start()
        await bench.cluster.create(bench.shard())
        await settled(bench.cluster)
        await bench.patch(spec={"entries": []})
        await bench.patch(metadata={"labels": {names.LABEL_STAGE_SET: "other"}})
        assert bench.known.of("shop", "rel") == {}
        assert bench.known.of("shop", "other") == {DB.name: "db"}
        await bench.delete()
        mine, other = ("shop", "rel"), ("shop", "other")
        assert bench.told == ["synced", mine, mine, mine, other, other]
        assert bench.known.get(DB) is None
        assert (bench.known._owners, bench.known._names) == ({}, {"shop": {}})

    run(test)


def test_what_we_wrote_counts_until_the_watch_shows_something() -> None:
    async def test(bench: Bench) -> None:
        wanted = shard_of(bench.shard())
        await bench.start()
        bench.known.expect(DB, wanted)
        assert bench.known.shows(DB, wanted)
        await bench.cluster.create(bench.shard(objects=2))
        await settled(bench.cluster)
        assert not bench.known.shows(DB, wanted)
        bench.known.expect(DB, None)
        assert bench.known.of("shop", "rel") == {}
        bench.known.unsure(DB)
        assert bench.known.of("shop", "rel") == {DB.name: "db"}
        await bench.delete()
        assert bench.known._unseen == {}

    run(test)


def test_what_we_wrote_and_was_deleted_before_it_was_shown_is_told_of() -> None:
    async def test(bench: Bench) -> None:
        await bench.start()
        bench.told.clear()
        bench.known.expect(DB, shard_of(bench.shard()))
        await bench.cluster.create(bench.shard())
        await bench.delete()
        assert bench.told == [("shop", "rel")]
        assert not bench.known.shows(DB, shard_of(bench.shard()))

    run(test)


def test_what_the_server_made_of_it_is_as_good_as_what_was_wanted() -> None:
    async def test(bench: Bench) -> None:
        wanted, made = shard_of(bench.shard(objects=2)), shard_of(bench.shard())
        await bench.start()
        await bench.cluster.create(bench.shard())
        await settled(bench.cluster)
        assert not bench.known.shows(DB, wanted)
        bench.known.became(DB, wanted, made)
        assert bench.known.shows(DB, wanted)
        assert not bench.known.shows(DB, Shard("rel", "db", wanted.mark + 1))
        bench.known.became(DB, wanted, wanted)
        assert not bench.known.shows(DB, wanted)

    run(test)
