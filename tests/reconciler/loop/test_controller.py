"""The controller: one member for each object, its story kept while the object is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from reconciler.transitions import Phase
from tests.reconciler.loop.members import World, kept, stageset
from tests.reconciler.loop.scripted import settled


def run(test: Callable[..., Awaitable[None]]) -> None:
    async def inside() -> None:
        world = World()
        controller = world.controller()
        await test(world, controller)
        await controller.close()
        await settled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert world.dispossessed == []

    asyncio.run(inside())


def see(controller, obj) -> None:
    controller.stageset("shop", obj["metadata"]["name"], kept=kept(obj))


def test_a_member_for_each_object_and_none_for_what_is_gone():
    async def test(world, controller):
        see(controller, stageset())
        see(controller, stageset(name="other", uid="ffff"))
        see(controller, stageset())
        await settled()
        assert sorted(controller.members) == [("shop", "other"), ("shop", "rel")]
        assert not list(controller.busy())
        member = controller.members["shop", "rel"]
        controller.stageset("shop", "rel", kept=None)
        controller.stageset("shop", "unheard", kept=None)
        await settled()
        assert list(controller.members) == [("shop", "other")]
        assert world.gone == [member]

    run(test)


def test_another_object_of_the_same_name_has_a_story_of_its_own():
    async def test(world, controller):
        see(controller, stageset())
        await settled()
        old = controller.members["shop", "rel"]
        see(controller, stageset(uid="9999"))
        await settled()
        new = controller.members["shop", "rel"]
        assert new is not old
        assert new.state.stream == "stageset/shop/rel/9999"
        assert (new.state.phase, old.state.phase) == (Phase.READY, Phase.READY)
        assert world.gone == [old]

    run(test)


def test_an_object_that_vanishes_and_comes_back_goes_on_where_it_was():
    async def test(world, controller):
        see(controller, stageset())
        await settled()
        version = controller.members["shop", "rel"].state.version
        controller.stageset("shop", "rel", kept=None)
        await settled()
        see(controller, stageset())
        await settled()
        member = controller.members["shop", "rel"]
        assert member.state.version == version == member.head.number
        see(controller, stageset(metadata={"generation": 2}))
        await settled()
        assert member.state.ready_generation == 2

    run(test)


def test_it_may_come_back_while_its_last_append_is_under_way():
    async def test(world, controller):
        world.journal.held = asyncio.Event()
        see(controller, stageset())
        await settled()
        controller.stageset("shop", "rel", kept=None)
        see(controller, stageset())
        see(controller, stageset(metadata={"generation": 2}))
        await settled()
        assert controller.members == {}
        world.journal.held.set()
        world.journal.held = None
        await settled()
        member = controller.members["shop", "rel"]
        assert member.state.phase == Phase.READY
        assert member.state.ready_generation == 2
        assert world.dispossessed == []

    run(test)


def test_it_may_come_and_go_while_its_last_append_is_under_way():
    async def test(world, controller):
        world.journal.held = asyncio.Event()
        see(controller, stageset())
        await settled()
        controller.stageset("shop", "rel", kept=None)
        see(controller, stageset())
        controller.stageset("shop", "rel", kept=None)
        world.journal.held.set()
        world.journal.held = None
        await settled()
        assert controller.members == {}

    run(test)


def test_changed_sources_wake_those_concerned_alone():
    async def test(world, controller):
        infra = {"name": "db", "sourceRef": {"name": "db", "namespace": "infra"}}
        see(controller, stageset())
        see(controller, stageset(infra, name="far", uid="ffff"))
        await settled()

        def woken(namespace: str) -> list[str]:
            controller.sources_changed(namespace)
            return sorted(name for (_, name), member in controller.members.items() if member.driver.busy)

        assert woken("infra") == ["far"]
        await settled()
        assert woken("else") == []
        assert woken("shop") == ["far", "rel"]
        await settled()
        assert woken("") == ["far", "rel"]
        await settled()
        recorded = len(world.journal.batches)
        controller.sources_changed("")
        await settled()
        assert len(world.journal.batches) == recorded

    run(test)


def test_a_new_revision_starts_a_run():
    async def test(world, controller):
        see(controller, stageset())
        await settled()
        world.sources.revision = "v2"
        controller.sources_changed("shop")
        await settled()
        assert controller.members["shop", "rel"].state.stages["db"].revision == "v2"

    run(test)


def test_closing_ends_everything_and_makes_nothing_new():
    async def test(world, controller):
        world.hands.held["verify"] = asyncio.Event()
        see(controller, stageset())
        await settled()
        assert len(list(controller.busy())) == 1
        await controller.close()
        assert controller.members == {}
        assert world.hands.cancelled == ["verify db"]

    run(test)
