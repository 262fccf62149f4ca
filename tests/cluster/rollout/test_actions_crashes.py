"""The crash matrix on a real cluster, one row for each verb: killed beside the effect, and counted from outside.

All rows of a side share a kill: each is stopped at its moment, then the process dies, then it is started again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.cluster.rollout.acting import (
    UNKNOWN,
    ActionController,
    World,
    ask,
    recorded,
    resolve,
    until_recorded,
)
from tests.cluster.rollout.crash_rows import ACTION, ROWS, STAGE, Promise, Row
from tests.cluster.rollout.gate import Gate
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.shop import Shop, stage

SIDES = ("before", "after", "recorded")


class Crashed(NamedTuple):
    """A world in which the controller was killed, and the tenants by row."""

    world: World
    side: str
    shops: dict[str, Shop]

    def promise(self, row: Row) -> Promise:
        """What may be seen after this kill."""
        if self.side == "recorded":
            return Promise(0 if row.name == "wait" else 1)
        return row.before if self.side == "before" else row.after


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def gate(installed) -> Iterator[Gate]:
    with Gate(installed) as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, gate, tmp_path_factory) -> Iterator[ActionController]:
    folder = tmp_path_factory.mktemp("controller")
    with ActionController(installed, folder, artifact_hosts=(server.host,), receiver=receiver, gate=gate) as running:
        yield running


@pytest.fixture(scope="module")
def world(installed, controller, receiver, gate) -> World:
    return World(installed, controller, receiver, gate)


@pytest.fixture(scope="module", params=SIDES)
def crashed(request, world, server) -> Iterator[Crashed]:
    """Every row in a namespace of its own, stopped at the moment, killed, started again."""
    side, controller = request.param, world.controller
    with ExitStack() as stack:
        shops = {
            row.name: stack.enter_context(Shop(world.plane, controller, server, words=f"{row.name}-{side}"))
            for row in ROWS
        }
        holds = {}
        for row in ROWS:
            shop = shops[row.name]
            row.prepare(world, shop)
            _publish(shop, row)
            if side == "recorded" and row.name == "wait":
                row.meanwhile(world, shop)
            if side != "recorded":
                holds[row.name] = row.hold(world, shop, side)
            shop.release(stages=[stage(STAGE, actions={row.hook: [row.action(world, shop)]})])
        for name, hold in holds.items():
            hold.until_reached(shops[name].story)
        if side == "recorded":
            for shop in shops.values():
                until_recorded(shop, "action.finished", action=ACTION, pause_s=0.01)
        controller.kill()
        for row in ROWS:
            row.meanwhile(world, shops[row.name])
        for hold in holds.values():
            hold.open()
        controller.start()
        yield Crashed(world, side, shops)


def _publish(shop: Shop, row: Row) -> None:
    """What the stage rolls out; that of an onFailure action cannot be applied."""
    files = {"config.yaml": shop.config(STAGE, "v1")}
    if row.hook == "onFailure":
        files["wrong.yaml"] = shop.config("Wrong", "v1")
    shop.publish(STAGE, "v1", files)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_its_effect_is_seen_as_often_as_promised(crashed: Crashed, row: Row):
    world, shop, promise = crashed.world, crashed.shops[row.name], crashed.promise(row)
    if row.hook == "onFailure":
        _failed(shop)
    elif promise.held:
        said = shop.until_failed(UNKNOWN, f"{row.hook}-action: {ACTION}: ", stage=STAGE)
        assert f"--stage {STAGE} --action {ACTION}" in said
        assert shop.stages()[STAGE]["heldActions"] == [ACTION]
    else:
        shop.until_ready(revision="v1")
        (finished,) = recorded(shop, "action.finished", action=ACTION)
        assert finished["outcome"] == "ok"
    assert row.count(world, shop) == promise.effects
    assert len(recorded(shop, "action.intended", action=ACTION)) == 1
    if promise.held:
        _answered(world, shop, row, effects=promise.effects)


def _failed(shop: Shop) -> None:
    """The first failure is what is shown, and a later run does not try again what may have happened."""
    shop.until_failed("apply: ", "Wrong", stage=STAGE)
    until_recorded(shop, "run.failed")
    ask(shop, "once more")
    until_recorded(shop, "run.failed", count=2)
    shop.until_failed("apply: ", "Wrong", stage=STAGE)


def _answered(world: World, shop: Shop, row: Row, *, effects: int) -> None:
    """An operator who looked at the other side says what is so, and the release goes on."""
    answer = "done" if effects else "not-done"
    resolve(shop, answer, action=ACTION, stage=STAGE)
    shop.until_ready(revision="v1")
    assert row.count(world, shop) == 1
    (said,) = recorded(shop, "operator.resolved")
    assert (said["event"]["answer"], said["event"]["reason"]) == (answer, "seen from outside")
    assert said["actor"]["id"] == "jane"


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
