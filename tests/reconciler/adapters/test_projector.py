"""Projections: written once for each state, written again when they are lost, and never in anybody's way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from ledger import events as e
from reconciler import errors
from reconciler.adapters.inventories import Inventories
from reconciler.adapters.projector import Projector
from reconciler.adapters.watches import Watches
from reconciler.api import names
from reconciler.installation import project
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.world import STAGESET, Clock, Shown, cluster_with_crds, settled, shown
from tests.reconciler.making import opened, spec


class Counted:
    """A cluster that counts what is written and fails when it is told to."""

    def __init__(self, cluster) -> None:
        self._cluster = cluster
        self.writes: Counter[str] = Counter()
        self.fail: dict[str, list[Exception]] = {}
        self.during = None

    def __getattr__(self, name):
        method = getattr(self._cluster, name)
        if name not in {"patch", "create", "replace", "delete", "list"}:
            return method

        async def call(*args, **kwargs):
            what = f"{name} {kwargs.get('subresource', '')}".strip()
            if name == "create":
                what = f"create {args[0]['kind']}"
            if self.fail.get(what):
                raise self.fail[what].pop(0)
            answer = await method(*args, **kwargs)
            self.writes[what] += 1
            if self.during is not None:
                await self.during(what)
            return answer

        return call


class Bench:
    def __init__(self, cluster, member: Shown, clock: Clock) -> None:
        self.plain, self.cluster, self.member, self.clock = cluster, Counted(cluster), member, clock
        self.slept: list[float] = []
        self.watches = Watches(cluster, jitter=lambda: 0.0, project=project)
        self.known: Inventories | None = None
        self.projector = self.another()

    def another(self) -> Projector:
        """A projector that knows nothing but what the watch shows, as after a restart."""
        if self.known is not None:
            self.known.close()
        self.known = Inventories(on_change=self.changed, on_synced=lambda: None)
        self.known.start(self.watches, namespaces=("",))

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            await asyncio.sleep(0)

        return Projector(self.cluster, clock=self.clock, shard_cap=10, inventories=self.known, sleep=sleep)

    def changed(self, *_: str) -> None:
        self.projector.inventories_changed(self.member)

    async def restart(self) -> None:
        await self.projector.close()
        self.projector = self.another()
        await settled(self.plain)

    async def close(self) -> None:
        await self.projector.close()
        self.known.close()
        await self.watches.close()

    async def project(self, *, refresh: bool = True) -> Counter[str]:
        """Tell of a change, let it be written, let the watch show it; returns what was written."""
        self.cluster.writes.clear()
        self.projector.changed(self.member)
        await settled(self.plain)
        found = Counter({key: count for key, count in self.cluster.writes.items() if key != "list"})
        if refresh:
            await self.member.refresh()
        return found

    async def events(self) -> list[tuple[str, str, str]]:
        listed = await self.plain.list(Scope("events.k8s.io/v1", "Event", "shop"))
        return [
            (one["type"], one["reason"], one["note"])
            for one in listed.items
            if one.get("regarding", {}).get("kind") == "StageSet"
        ]

    async def inventories(self) -> list[str]:
        listed = await self.plain.list(Scope(names.API_VERSION, "StageInventory", "shop"))
        return sorted(one["metadata"]["name"] for one in listed.items)


def run(test: Callable[[Bench], Awaitable[None]], *finalizers: str, **renders: tuple[str, ...]) -> None:
    async def inside() -> None:
        clock = Clock()
        cluster = await cluster_with_crds(clock)
        member = await shown(cluster, *(finalizers or (names.FINALIZER,)), **renders)
        bench = Bench(cluster, member, clock)
        await settled(cluster)
        await test(bench)
        await bench.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


# ── status ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_write_for_a_state_and_none_for_the_same_one():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        assert await bench.project() == {"patch status": 1}
        assert await bench.project() == {}
        for _ in range(5):
            bench.projector.changed(bench.member)
        await settled(bench.plain)
        live = await bench.member.live()
        assert live["status"]["conditions"][0]["message"] == "stage db (1 of 2): connect to target cluster"
        assert live["status"]["ledger"]["version"] == bench.member.state.version

    run(test)


def test_before_anything_is_recorded_nothing_is_written():
    async def test(bench):
        assert await bench.project() == {}

    run(test)


def test_a_watch_that_lags_behind_costs_no_second_write():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        await bench.project(refresh=False)
        assert await bench.project(refresh=False) == {}
        first = await bench.member.live()
        bench.member.stream.answer()
        await bench.project(refresh=False)
        # The watch shows the first write after the second was made.
        bench.member.observed = bench.member.observed._replace(
            resource_version=first["metadata"]["resourceVersion"], status="sha256:first"
        )
        assert await bench.project() == {}
        assert await bench.project() == {}

    run(test)


def test_after_a_restart_a_status_that_is_right_is_not_written_again():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        await bench.project()
        await bench.restart()
        assert await bench.project() == {}

    run(test)


def test_a_status_that_was_deleted_by_hand_is_written_again():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        await bench.project()
        before = (await bench.member.live())["status"]
        await bench.plain.patch(STAGESET, {"status": None}, type="merge", subresource="status")
        await bench.member.refresh()
        assert await bench.project() == {"patch status": 1}
        assert (await bench.member.live())["status"] == before

    run(test)


def test_one_that_is_deleted_while_it_is_written_is_written_again():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))

        async def deleted(what: str) -> None:
            bench.cluster.during = None
            await bench.plain.patch(STAGESET, {"status": None}, type="merge", subresource="status")
            await bench.member.refresh()
            bench.projector.changed(bench.member)

        bench.cluster.during = deleted
        await bench.project()
        assert (await bench.member.live())["status"]["ledger"]

    run(test)


def test_a_server_that_prunes_a_field_of_ours_is_not_written_to_for_ever():
    async def test(bench):
        crd = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "stagesets.stages.metio.wtf")
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/ledger"
        await bench.plain.patch(crd, [{"op": "remove", "path": path}], type="json")
        await settled(bench.plain)
        bench.member.stream.fact(opened("db", "app"))
        assert await bench.project() == {"patch status": 1}
        assert "ledger" not in (await bench.member.live())["status"]
        assert await bench.project() == {}
        bench.member.stream.answer()
        assert await bench.project() == {"patch status": 1}
        assert await bench.project() == {}

    run(test)


def test_an_error_of_the_api_is_tried_again_with_the_newest_state():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.cluster.fail["patch status"] = [
            errors.Unavailable("away"),
            errors.TooManyRequests("slow", retry_after_s=9),
        ]
        bench.projector.changed(bench.member)
        bench.member.stream.answer()
        await settled(bench.plain)
        assert bench.slept == [2.0, 9]
        assert (await bench.member.live())["status"]["ledger"]["version"] == bench.member.state.version

    run(test)


def test_a_stageset_that_is_gone_is_left_alone():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.cluster.fail["patch status"] = [errors.NotFound("gone")]
        assert await bench.project(refresh=False) == {}
        assert bench.slept == []
        bench.projector.forget(bench.member)
        kept = (bench.projector._written, bench.projector._shown, bench.projector._stages, bench.projector._finalizers)
        assert not any(kept)

    run(test)


def test_closing_ends_although_the_api_is_away():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.cluster.fail["patch status"] = [errors.Unavailable("away")] * 10_000
        bench.projector.changed(bench.member)
        await settled(bench.plain)
        await asyncio.wait_for(bench.projector.close(), timeout=1)

    run(test)


# ── inventories ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_inventories_say_what_is_owned():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.until("apply", "app")
        assert (await bench.project())["create StageInventory"] == 1
        (name,) = await bench.inventories()
        found = await bench.plain.get(Ref(names.API_VERSION, "StageInventory", "shop", name))
        assert found["spec"]["entries"] == [
            {"id": "shop_a__ConfigMap", "v": "v1"},
            {"id": "shop_b__ConfigMap", "v": "v1"},
        ]
        bench.member.stream.rest()
        assert (await bench.project())["create StageInventory"] == 1
        assert await bench.project() == {}

    run(test, db=("a", "b"))


def test_an_inventory_that_was_deleted_is_written_again():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        await bench.project()
        before = await bench.inventories()
        await bench.plain.delete(Ref(names.API_VERSION, "StageInventory", "shop", before[0]))
        await settled(bench.plain)
        assert await bench.inventories() == before

    run(test)


def test_an_inventory_that_was_changed_by_hand_is_put_right():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        (name,) = await bench.inventories()
        ref = Ref(names.API_VERSION, "StageInventory", "shop", name)
        before = await bench.plain.get(ref)
        for change in (
            {"spec": {"entries": []}},
            {"metadata": {"labels": None}},
            {"metadata": {"ownerReferences": None}},
        ):
            await bench.plain.patch(ref, change, type="merge")
            await settled(bench.plain)
            after = await bench.plain.get(ref)
            assert after["spec"] == before["spec"]
            assert after["metadata"]["labels"] == before["metadata"]["labels"]
            assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]

    run(test, db=("a",))


def test_one_that_nobody_wants_is_deleted():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        before = await bench.inventories()
        labels = names.inventory_labels(name="rel", stage="gone", shard=0)
        foreign = {
            "apiVersion": names.API_VERSION,
            "kind": "StageInventory",
            "metadata": {"name": "x", "namespace": "shop"},
        }
        foreign["metadata"]["labels"] = labels
        await bench.plain.create(foreign)
        await settled(bench.plain)
        assert await bench.inventories() == before

    run(test, db=("a",))


def test_after_a_restart_inventories_that_are_right_cost_no_request():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        await bench.project()
        await bench.restart()
        bench.cluster.writes.clear()
        bench.projector.inventories_changed(bench.member)
        await settled(bench.plain)
        assert bench.cluster.writes == {}
        assert bench.projector._stages == {}

    run(test, db=("a",))


def test_before_it_is_known_what_there_is_no_inventory_is_written():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.projector.close()
        bench.projector = bench.another()
        bench.known.close()
        assert "create StageInventory" not in await bench.project()

    run(test)


def test_a_server_that_makes_something_else_of_an_inventory_is_not_written_to_for_ever():
    async def test(bench):
        crd = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "stageinventories.stages.metio.wtf")
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/stagePosition"
        await bench.plain.patch(crd, [{"op": "remove", "path": path}], type="json")
        await settled(bench.plain)
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        assert (await bench.project())["create StageInventory"] == 2
        assert await bench.project() == {}
        bench.projector.inventories_changed(bench.member)
        await settled(bench.plain)
        assert bench.cluster.writes == {}

    run(test)


def test_one_that_is_deleted_while_it_is_written_is_not_missed():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()

        async def deleted(what: str) -> None:
            if what != "create StageInventory":
                return
            bench.cluster.during = None
            (name,) = await bench.inventories()
            await bench.plain.delete(Ref(names.API_VERSION, "StageInventory", "shop", name))

        bench.cluster.during = deleted
        await bench.project()
        assert len(await bench.inventories()) == 1

    run(test)


def test_the_inventory_of_a_stage_that_left_goes_also_at_the_second_try():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        bench.member.stream.rest()
        await bench.project()
        bench.member.stream.fact(opened("db", generation=2, trigger="spec"))
        bench.member.stream.rest()
        bench.cluster.fail["delete"] = [errors.Unavailable("away")]
        await bench.project()
        assert bench.slept == [2.0]
        assert len(await bench.inventories()) == 1

    run(test)


# ── the finalizer ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_finalizer_is_added_before_anything_else_and_others_are_kept():
    async def test(bench):
        bench.member.stream.fact(opened("db", "app"))
        assert await bench.project(refresh=False) == {"patch": 1}
        assert (await bench.member.live())["metadata"]["finalizers"] == ["their/finalizer", names.FINALIZER]
        # Until the watch shows it, it is not asked for again.
        assert await bench.project() == {}
        assert await bench.project() == {"patch status": 1}

    run(test, "their/finalizer")


def test_a_finalizer_that_was_taken_away_is_put_back():
    async def test(bench):
        await bench.plain.patch(STAGESET, {"metadata": {"finalizers": None}}, type="merge")
        await bench.member.refresh()
        for _ in range(2):
            await bench.project()
            assert names.FINALIZER in bench.member.observed.finalizers
            await bench.plain.patch(STAGESET, {"metadata": {"finalizers": None}}, type="merge")
            await bench.member.refresh()

    run(test)


def test_an_object_that_changed_meanwhile_is_not_overwritten():
    async def test(bench):
        await bench.plain.patch(STAGESET, {"metadata": {"finalizers": ["their/finalizer", "new/one"]}}, type="merge")
        assert await bench.project() == {}
        await bench.project()
        assert (await bench.member.live())["metadata"]["finalizers"] == ["their/finalizer", "new/one", names.FINALIZER]

    run(test, "their/finalizer")


def test_a_deleted_stageset_without_our_finalizer_is_left_alone():
    async def test(bench):
        await bench.plain.delete(STAGESET)
        await bench.member.refresh()
        assert await bench.project() == {}

    run(test, "their/finalizer")


def test_the_finalizer_goes_after_the_release_and_not_before():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        await bench.plain.delete(STAGESET)
        await bench.member.refresh()
        bench.member.stream.fact(opened(trigger="deletion", given=spec("db")))
        await bench.project()
        assert names.FINALIZER in bench.member.observed.finalizers
        bench.member.stream.rest()
        await bench.project()
        for _ in range(2):
            bench.projector.changed(bench.member)
            await settled(bench.plain)
            await bench.member.refresh()
        assert (await bench.member.live())["metadata"]["finalizers"] == ["their/finalizer"]
        assert await bench.inventories() == []

    run(test, names.FINALIZER, "their/finalizer")


@pytest.mark.parametrize("space", ["as before", "terminating"])
def test_a_forced_teardown_says_what_is_left_before_the_finalizer_goes(space):
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        await bench.plain.delete(STAGESET)
        await bench.member.refresh()
        for _ in range(3):
            bench.member.stream.fact(opened(trigger="deletion", given=spec("db")))
            refused = e.ConnectFinished(reason="Forbidden", message="no way in", retryable=False)
            bench.member.stream.answer(refused, outcome="failed")
            bench.member.stream.now_ms = bench.member.stream.state.retry_ms
        if space == "terminating":
            # As an API server does it: nothing can be created there any more.
            bench.cluster.fail["create Event"] = [errors.Forbidden("because it is being terminated")] * 9
        for _ in range(3):
            bench.projector.changed(bench.member)
            await settled(bench.plain)
            await bench.member.refresh()
        live = await bench.member.live()
        assert live["metadata"]["finalizers"] == ["their/finalizer"]
        ready = live["status"]["conditions"][0]
        text = "1 objects are left behind: ConfigMap/shop/db: no way in"
        assert (ready["status"], ready["reason"]) == ("False", "TeardownForced")
        assert ready["message"].startswith(text)
        told = [(reason, note.partition(" (runbook")[0]) for _, reason, note in await bench.events()]
        assert (("TeardownForced", text) in told) == (space == "as before")

    run(test, names.FINALIZER, "their/finalizer")


# ── Kubernetes Events ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_for_each_transition_and_once():
    async def test(bench):
        stream = bench.member.stream
        stream.fact(opened("db", "app"))
        await bench.project()
        assert await bench.events() == []
        stream.rest()
        await bench.project()
        await bench.project()
        assert await bench.events() == [("Normal", "Succeeded", "2 of 2 stages are ready")]
        stream.fact(opened("db", "app", revision="v2"))
        stream.until("apply", "db").fail()
        await bench.project()
        stream.now_ms = stream.state.retry_ms
        stream.fact(opened("db", "app", revision="v2", trigger="retry"))
        await bench.project()
        stream.until("apply", "db").fail()
        await bench.project()
        assert [one[:2] for one in await bench.events()] == [("Normal", "Succeeded"), ("Warning", "StageFailed")]
        assert (await bench.events())[1][2].startswith("stage db: apply: it broke (runbook: ")

    run(test)


def test_the_first_transition_is_told_although_the_watch_is_quick():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()

        async def seen(what: str) -> None:
            await bench.member.refresh()

        bench.cluster.during = seen
        await bench.project()
        assert len(await bench.events()) == 1

    run(test)


def test_after_a_restart_what_was_told_is_not_told_again():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        await bench.restart()
        await bench.project()
        bench.member.stream.fact(e.OperatorSuspended())
        await bench.project()
        assert [one[1] for one in await bench.events()] == ["Succeeded", "Suspended"]

    run(test)


@pytest.mark.parametrize("error", [errors.Unavailable("away"), errors.AlreadyExists("lost answer")])
def test_an_event_that_cannot_be_made_is_tried_again_unless_it_is_there(error):
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        bench.cluster.fail["create Event"] = [error]
        await bench.project()
        assert len(await bench.events()) == (0 if isinstance(error, errors.AlreadyExists) else 1)
        assert await bench.project() == {}

    run(test)


def test_both_faces_of_an_event_show_all_of_it():
    async def test(bench):
        bench.member.stream.fact(opened("db"))
        bench.member.stream.rest()
        await bench.project()
        (new,) = (await bench.plain.list(Scope("events.k8s.io/v1", "Event", "shop"))).items
        (old,) = (await bench.plain.list(Scope("v1", "Event", "shop"))).items
        assert old["involvedObject"] == new["regarding"]
        assert old["involvedObject"]["uid"] == bench.member.target.uid
        assert old["message"] == new["note"]
        assert old["reportingComponent"] == new["reportingController"] == names.CONTROLLER

    run(test)
