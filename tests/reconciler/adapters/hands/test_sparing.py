"""What an apply leaves to others, on a MemoryCluster: fields that they have changed, objects that are only told of."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger import events as e
from reconciler.ports.cluster import Ref
from reconciler.state import Drift
from tests.reconciler.adapters.hands.rollout import Rollout, config_map, one_stage, run

MAP = Ref("v1", "ConfigMap", "shop", "config")
KEY = "shop_config__ConfigMap"


def rolled(test: Any, **detection: Any) -> None:
    """A ready stage of one ConfigMap, whose `a` somebody has changed."""

    async def inside(rollout: Rollout) -> None:
        again(rollout, "snapshot", **detection)
        await rollout.rest()
        await rollout.cluster.patch(MAP, {"data": {"a": "theirs"}}, type="merge", manager="hpa")
        await test(rollout)

    run(inside)


def again(rollout: Rollout, trigger: e.Trigger, *, b: str = "1", **detection: Any) -> None:
    more = {"driftDetection": detection} if detection else {}
    rollout.open(one_stage(**more), trigger=trigger, db=[config_map("config", a="1", b=b)])


async def data(rollout: Rollout) -> dict[str, str]:
    found: dict[str, str] = (await rollout.cluster.get(MAP))["data"]
    return found


@pytest.mark.parametrize("trigger", ["drift", "request"])
def test_without_rules_all_of_it_is_applied(trigger):
    async def test(rollout: Rollout) -> None:
        again(rollout, trigger)
        await rollout.rest()
        assert await data(rollout) == {"a": "1", "b": "1"}

    rolled(test)


@pytest.mark.parametrize("trigger", ["drift", "snapshot"])
def test_a_field_that_others_may_change_keeps_what_they_made_of_it(trigger):
    rule = {"ignore": [{"paths": ["/data/a"]}]}

    async def test(rollout: Rollout) -> None:
        again(rollout, trigger, b="2", **rule)
        await rollout.rest()
        assert await data(rollout) == {"a": "theirs", "b": "2"}
        # Deleted, it is made as it is rendered.
        await rollout.cluster.delete(MAP)
        again(rollout, trigger, b="2", **rule)
        await rollout.rest()
        assert await data(rollout) == {"a": "1", "b": "2"}
        # Nobody has touched it since: a new release may change it.
        rollout.open(one_stage(driftDetection=rule), db=[config_map("config", a="3", b="2")])
        await rollout.rest()
        assert await data(rollout) == {"a": "3", "b": "2"}

    rolled(test, **rule)


@pytest.mark.parametrize(
    "detection", [{"mode": "Warn"}, {"mode": "Ignore"}, {"ignore": [{"target": {"name": "config"}}]}]
)
def test_a_run_about_drift_leaves_alone_what_is_not_corrected(detection):
    async def test(rollout: Rollout) -> None:
        before = rollout.stream.state.stages["db"].owned[KEY]
        again(rollout, "drift", **detection)
        await rollout.rest()
        assert (await data(rollout))["a"] == "theirs"
        # What was last applied is what it was: another run sees the difference.
        assert rollout.stream.state.stages["db"].owned[KEY] == before
        again(rollout, "request", **detection)
        await rollout.rest()
        assert (await data(rollout))["a"] == "1"

    rolled(test, **detection)


def test_what_is_not_there_is_made_also_where_it_is_not_corrected():
    async def test(rollout: Rollout) -> None:
        await rollout.cluster.delete(MAP)
        again(rollout, "drift", mode="Warn")
        await rollout.rest()
        assert (await data(rollout))["a"] == "1"

    rolled(test, mode="Warn")


def test_what_flaps_is_left_alone():
    async def test(rollout: Rollout) -> None:
        state = rollout.stream.state
        rollout.stream.state = msgspec.structs.replace(state, drifts={KEY: Drift(stage="db", flapping=True)})
        again(rollout, "drift")
        await rollout.rest()
        assert (await data(rollout))["a"] == "theirs"

    rolled(test)
