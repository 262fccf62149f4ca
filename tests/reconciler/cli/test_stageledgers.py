"""Writing the baseline while others write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler.cli.params import Refused
from reconciler.cli.reaching import Options, Reached
from reconciler.cli.stageledgers import add_baseline, drop_baseline, is_completed, lifetime_of, read
from reconciler.errors import AlreadyExists, Conflict
from tests.reconciler.adapters.test_projector import Counted
from tests.reconciler.adapters.world import Clock, cluster_with_crds

OPTIONS = Options(namespace="", kubeconfig="", context="", wait=True, timeout=1, form="text")
ONE = {"stage": "db", "action": "one"}


def run(test: Callable[[Reached, Any], Awaitable[None]]) -> None:
    async def inside() -> None:
        cluster = Counted(await cluster_with_crds(Clock()))
        await test(Reached(cluster, "shop", "rel", OPTIONS), cluster)

    asyncio.run(inside())


def test_entries_are_added_and_taken_out_one_by_one() -> None:
    async def test(reached: Reached, cluster: Any) -> None:
        assert await read(reached) is None
        assert await drop_baseline(reached, **ONE) is None
        await add_baseline(reached, **ONE)
        added = await add_baseline(reached, stage="db", action="two")
        assert added.baseline == (("db", "one"), ("db", "two"))
        # What is there already, or is not there, costs no request that writes.
        cluster.writes.clear()
        await add_baseline(reached, **ONE)
        assert await drop_baseline(reached, stage="db", action="three") is None
        assert not cluster.writes
        dropped = await drop_baseline(reached, **ONE)
        assert dropped is not None
        assert dropped.baseline == (("db", "two"),)
        assert dropped.generation > added.generation
        assert not is_completed(dropped, **ONE)
        assert not is_completed(None, **ONE)

    run(test)


def test_who_writes_at_the_same_time_loses_nothing() -> None:
    async def test(reached: Reached, cluster: Any) -> None:
        await add_baseline(reached, **ONE)
        original = cluster.patch

        async def patch(*args: Any, **kwargs: Any) -> Any:
            cluster.patch = original
            await add_baseline(reached, stage="db", action="two")
            return await original(*args, **kwargs)

        cluster.patch = patch
        added = await add_baseline(reached, stage="db", action="three")
        assert added.baseline == (("db", "one"), ("db", "two"), ("db", "three"))

    run(test)


def test_a_stageledger_that_comes_meanwhile_is_added_to() -> None:
    async def test(reached: Reached, cluster: Any) -> None:
        original = cluster.apply

        async def apply(*args: Any, **kwargs: Any) -> Any:
            cluster.apply = original
            metadata = {"namespace": "shop", "name": "rel"}
            spec = {"baseline": [{"stage": "db", "action": "two"}]}
            await cluster.create(
                {"apiVersion": "stages.metio.wtf/v1", "kind": "StageLedger", "metadata": metadata, "spec": spec}
            )
            return await original(*args, **kwargs)

        cluster.apply = apply
        added = await add_baseline(reached, **ONE)
        assert added.baseline == (("db", "two"), ("db", "one"))

    run(test)


def test_it_is_given_up_some_time() -> None:
    async def test(reached: Reached, cluster: Any) -> None:
        await add_baseline(reached, **ONE)
        cluster.fail["patch"] = [Conflict("changed") for _ in range(10)]
        with pytest.raises(Refused, match="somebody else writes it all the time"):
            await add_baseline(reached, stage="db", action="two")
        with pytest.raises(Refused, match="somebody else writes it all the time"):
            await drop_baseline(reached, **ONE)

    run(test)


def test_a_refusal_of_another_kind_is_not_tried_again() -> None:
    async def test(reached: Reached, cluster: Any) -> None:
        await add_baseline(reached, **ONE)
        cluster.fail["patch"] = [AlreadyExists("?")]
        with pytest.raises(AlreadyExists):
            await drop_baseline(reached, **ONE)

    run(test)


def test_lifetime_actions_stand_before_and_after_a_stage() -> None:
    stage = {
        "actions": {
            "pre": [{"name": "a", "scope": "Lifetime"}, {"name": "b"}],
            "post": [{"name": "c", "scope": "Lifetime"}],
            "onFailure": [{"name": "d", "scope": "Lifetime"}],
        }
    }
    assert lifetime_of(stage) == ["a", "c"]
    assert lifetime_of({}) == []
