"""One watch for all, wide where that is allowed, none where it is forbidden, and no more than the cap."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reconciler import errors
from reconciler.adapters.drift.kept import Kept
from reconciler.adapters.drift.places import REFUSED_S, Place, Places
from reconciler.adapters.watches import Key, Watches
from reconciler.api import names
from reconciler.installation import project
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.hands.rollout import config_map
from tests.reconciler.adapters.world import Clock, cluster_with_crds, settled

A, B = Ref("v1", "ConfigMap", "shop", "a"), Ref("v1", "ConfigMap", "other", "b")
REL, ANOTHER = ("shop", "rel"), ("shop", "another")


def labelled(name: str, **data: str) -> Object:
    made = config_map(name, **data)
    made["metadata"]["labels"] = names.stage_labels(namespace="shop", name="rel", stage="db")
    return made


class World:
    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.watches = Watches(cluster, jitter=lambda: 0.5, project=project)
        self.heard: list[tuple[str, bool, bool]] = []
        self.news: list[tuple[str, str]] = []

    def places(self, *, wide: bool = True, most: int = 10) -> Places:
        return Places(wide=self.watches if wide else None, heard=self._heard, news=self.news.extend, most=most)

    def _heard(self, place: Place, key: Key, before: Kept | None, now: Kept | None) -> None:
        self.heard.append((key.name, before is not None, now is not None))

    def forbid(self, *namespaces: str) -> None:
        def denied(verb: str, ref: Ref | None) -> None:
            if verb == "list" and ref is not None and ref.namespace in namespaces:
                raise errors.Forbidden("no")

        self.cluster.hooks.before.append(denied)


def run(test: Callable[[World], Awaitable[None]]) -> None:
    async def inside() -> None:
        world = World(await cluster_with_crds(Clock()))
        await test(world)
        await world.watches.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_one_watch_for_a_kind_in_all_namespaces():
    async def test(world: World) -> None:
        await world.cluster.create(labelled("a"))
        places = world.places()
        place = places.of(world.watches, A)
        assert place is places.of(world.watches, B)
        places.hold(REL, [place, place])
        await settled(world.cluster)
        assert place.synced
        assert place.get(A).owner == REL
        assert place.get(B) is None
        assert (world.news, world.heard) == ([REL], [])
        await world.cluster.patch(A, {"data": {"x": "y"}}, type="merge")
        await settled(world.cluster)
        await world.cluster.delete(A)
        await settled(world.cluster)
        assert world.heard == [("a", True, True), ("a", True, False)]
        assert place.get(A) is None
        assert world.cluster.hooks.counts["list"] == 1
        list(places.close())

    run(test)


def test_where_all_namespaces_are_forbidden_each_has_its_own_watch():
    async def test(world: World) -> None:
        world.forbid("")
        places = world.places()
        wide = places.of(world.watches, A)
        places.hold(REL, [wide])
        await settled(world.cluster)
        assert world.news == [REL], "it is to look again"
        own, other = places.of(world.watches, A), places.of(world.watches, B)
        assert [one.key.namespace for one in (wide, own, other)] == ["", "shop", "other"]
        places.hold(REL, [own, other])
        await settled(world.cluster)
        assert own.synced
        assert len(places) == 2
        list(places.close())

    run(test)


def test_where_it_is_forbidden_nothing_is_asked_for_a_while(monkeypatch):
    async def test(world: World) -> None:
        world.forbid("shop")
        places = world.places(wide=False)
        places.hold(REL, [places.of(world.watches, A)])
        await settled(world.cluster)
        asked = world.cluster.hooks.counts["list"]
        assert places.of(world.watches, A) is None
        assert len(places) == 0
        loop = asyncio.get_running_loop()
        later = loop.time() + REFUSED_S + 1
        monkeypatch.setattr(loop, "time", lambda: later)
        assert places.of(world.watches, A) is not None
        monkeypatch.undo()
        assert world.cluster.hooks.counts["list"] == asked
        list(places.close())

    run(test)


def test_what_nobody_needs_is_let_go():
    async def test(world: World) -> None:
        places = world.places(wide=False)
        first, second = places.of(world.watches, A), places.of(world.watches, B)
        places.hold(REL, [first, second])
        places.hold(ANOTHER, [second])
        places.hold(REL, [])
        assert first.subscription.closed
        assert not second.subscription.closed
        assert places.of(world.watches, B) is second
        places.hold(ANOTHER, ())
        assert len(places) == 0
        await settled(world.cluster)

    run(test)


def test_watches_have_a_cap_and_closed_ones_are_none():
    async def test(world: World) -> None:
        places = world.places(wide=False, most=1)
        assert places.of(world.watches, A) is not None
        assert places.of(world.watches, B) is None
        for look in list(places.close()):
            await asyncio.gather(look, return_exceptions=True)
        await world.watches.close()
        assert places.of(world.watches, A) is None

    run(test)
