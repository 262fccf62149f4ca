"""What is seen, what is checked, what is told, and what is left in peace."""

from __future__ import annotations

import msgspec
import pytest

from ledger import events as e
from reconciler import errors
from reconciler.api import names
from reconciler.ports.cluster import Ref
from reconciler.transitions import Phase
from tests.reconciler.adapters.drift.bench import ACCOUNT, MAP, WEB, Bench, allow, run
from tests.reconciler.adapters.hands.rollout import config_map


def test_nothing_is_checked_where_nothing_changed():
    async def test(bench: Bench) -> None:
        checks = bench.checks()
        await bench.cluster.patch(WEB, {"status": {"observedGeneration": 1}}, type="merge", subresource="status")
        bench.sentry.changed(bench.member)
        await bench.quiet()
        assert bench.checks() == checks
        assert bench.messages() == []

    run(test)


def test_a_hand_edit_is_told_with_stage_fields_and_manager():
    async def test(bench: Bench) -> None:
        await bench.cluster.patch(MAP, {"data": {"variant": "x"}}, type="merge", manager="kubectl-edit")
        await bench.cluster.patch(WEB, {"spec": {"replicas": 3}}, type="merge", manager="somebody")
        await bench.quiet()
        assert [(stage, found.manager, found.mode) for stage, found in bench.member.found] == [
            ("db", "kubectl-edit", "Correct"),
            ("db", "somebody", "Correct"),
        ]
        assert bench.messages() == ["/data/variant, by kubectl-edit", "/spec/replicas, by somebody"]

    run(test)


@pytest.mark.parametrize("wide", [True, False])
def test_what_goes_or_comes_again_is_told(wide):
    async def test(bench: Bench) -> None:
        await bench.cluster.delete(MAP)
        await bench.quiet()
        assert bench.messages() == ["was deleted"]
        labels = names.stage_labels(namespace="shop", name="rel", stage="db")
        again = config_map("config", variant="v1")
        await bench.cluster.create({**again, "metadata": {**again["metadata"], "labels": labels}})
        await bench.quiet()
        (message,) = bench.messages()
        assert message.startswith("was deleted and made anew")

    run(test, wide=wide)


def test_labels_are_told_although_no_generation_counts_them():
    async def test(bench: Bench) -> None:
        found = await bench.edit(WEB, {"metadata": {"labels": {"team": "other"}}})
        assert found == ["/metadata/labels/team, by kubectl-edit"]
        # Without the owner labels the watch does not show it any more.
        found = await bench.edit(WEB, {"metadata": {"labels": {names.LABEL_NAME: None}}})
        assert found == ["/metadata/labels/team, /metadata/labels/stages.metio.wtf~1name, by kubectl-edit"]

    run(test)


def test_what_is_checked_and_as_it_should_be_is_not_checked_again():
    async def test(bench: Bench) -> None:
        assert await bench.edit(MAP, {"data": {"foreign": "x"}}) == []
        checks = bench.checks()
        for _ in range(3):
            bench.sentry.changed(bench.member)
            await bench.quiet()
            await bench.sentry.look(bench.member)
        assert bench.checks() == checks
        assert await bench.edit(MAP, {"data": {"foreign": "y"}}) == []
        assert bench.checks() == checks + 1

    run(test)


def test_what_is_changed_all_the_time_is_checked_ever_more_rarely():
    async def test(bench: Bench) -> None:
        checks = bench.checks()
        for number in range(10):
            assert await bench.edit(MAP, {"data": {"foreign": str(number)}}) == []
        assert bench.checks() == checks + 3
        assert list(bench.sentry._turns._later) == [("shop", "rel")]
        # Another object is not made to wait for it.
        assert await bench.edit(WEB, {"spec": {"replicas": 2}}) == ["/spec/replicas, by kubectl-edit"]
        # After another run everything is looked at again.
        state = bench.rolled.stream.state
        bench.rolled.stream.state = msgspec.structs.replace(state, run=msgspec.structs.replace(state.run, id="later"))
        assert len(await bench.edit(MAP, {"data": {"foreign": "again", "variant": "x"}})) == 2

    run(test)


def test_warn_tells_and_remembers():
    async def test(bench: Bench) -> None:
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == ["/data/variant, by kubectl-edit"]
        checks = bench.checks()
        bench.sentry.changed(bench.member)
        await bench.quiet()
        assert bench.checks() == checks
        bench.rolled.stream.fact(
            e.DriftObserved(objects=[e.Item(id="shop_config__ConfigMap", v="v1", message="x")], mode="Warn"), stage="db"
        )
        assert await bench.edit(MAP, {"data": {"variant": "v1"}}) == ["is again as it was applied"]

    run(test, driftDetection={"mode": "Warn"})


def test_ignore_watches_nothing():
    async def test(bench: Bench) -> None:
        assert len(bench.sentry.places) == 0
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []
        await bench.sentry.look(bench.member)
        assert bench.messages() == []

    run(test, driftDetection={"mode": "Ignore"})


def test_an_ignored_object_is_not_even_checked():
    async def test(bench: Bench) -> None:
        checks = bench.checks()
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []
        assert bench.checks() == checks

    run(test, driftDetection={"ignore": [{"target": {"kind": "ConfigMap"}}]})


@pytest.mark.parametrize(
    "change",
    [
        {"suspended": True},
        {"phase": Phase.STARTED},
        {"asked": "drift"},
        {"run": None},
    ],
)
def test_only_what_is_at_rest_is_looked_at(change):
    async def test(bench: Bench) -> None:
        stream = bench.rolled.stream
        before, stream.state = stream.state, msgspec.structs.replace(stream.state, **change)
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []
        stream.state = before
        bench.sentry.changed(bench.member)
        await bench.quiet()
        assert bench.messages() == ["/data/variant, by kubectl-edit"]

    run(test)


@pytest.mark.parametrize("change", [{"deleting": True}, {"generation": 99}])
def test_what_is_wanted_otherwise_by_now_is_not_looked_at(change):
    async def test(bench: Bench) -> None:
        bench.member.observed = bench.member.observed._replace(**change)
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []

    run(test)


def test_where_watching_is_forbidden_the_steady_look_finds_it():
    async def test(bench: Bench) -> None:
        await allow(bench.cluster, "get", "create", "patch")
        bench.sentry.forget(bench.member)
        watches = (await bench.sentry._sight.tools.clusters.hand("shop", ACCOUNT)).watches
        # As after the pause in which a watch is kept for newcomers.
        for watch in list(watches._watches.values()):
            await watch.stop()
        watches._watches.clear()
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []
        bench.sentry.changed(bench.member)
        await bench.quiet()
        assert (len(bench.sentry.places), bench.messages()) == (0, [])
        await bench.sentry.look(bench.member)
        assert bench.messages() == ["/data/variant, by kubectl-edit"]
        await bench.cluster.delete(MAP)
        await bench.sentry.look(bench.member)
        assert bench.messages() == ["was deleted"]

    run(test, account=ACCOUNT)


def test_an_outage_is_asked_again_and_what_is_refused_is_not():
    async def test(bench: Bench) -> None:
        failure: list[errors.ClusterError] = [errors.Unavailable("away")]

        def away(verb: str, ref: Ref | None) -> None:
            if verb == "apply":
                raise failure[0]

        bench.cluster.hooks.before.append(away)
        assert await bench.edit(MAP, {"data": {"variant": "x"}}) == []
        assert list(bench.sentry._turns._later) == [("shop", "rel")]
        bench.sentry._turns.forget(("shop", "rel"))
        failure[0] = errors.BadRequest("a webhook does not know dry-run")
        assert await bench.edit(MAP, {"data": {"variant": "y"}}) == []
        assert list(bench.sentry._turns._later) == []
        bench.cluster.hooks.before.clear()
        assert await bench.edit(MAP, {"data": {"variant": "z"}}) == ["/data/variant, by kubectl-edit"]

    run(test)


def test_what_is_forgotten_is_watched_no_more():
    async def test(bench: Bench) -> None:
        assert len(bench.sentry.places) == 2
        bench.sentry.forget(bench.member)
        assert len(bench.sentry.places) == 0
        assert bench.sentry._memories == {}

    run(test)
