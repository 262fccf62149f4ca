"""The crash matrix on a real cluster, one row for each verb: what is counted from outside is what DESIGN §6 promises.

All rows share a crash: each is stopped at its moment, then it happens to the process, then there is one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from tests.cluster.rollout.acting import (
    UNKNOWN,
    ActionController,
    World,
    ask,
    jobs_made,
    jobs_run,
    live_jobs,
    recorded,
    resolve,
    until_recorded,
)
from tests.cluster.rollout.artifacts import ArtifactServer
from tests.cluster.rollout.crash_kinds import KINDS, Kind, Scene
from tests.cluster.rollout.crash_rows import ACTION, ROWS, STAGE, Row
from tests.cluster.rollout.gate import Gate, Hold
from tests.cluster.rollout.receiver import HeldAnswer, Receiver
from tests.cluster.rollout.shop import Shop, stage
from tests.cluster.rollout.waiting import eventually


class Crashed(NamedTuple):
    """A world after a crash, and the tenants by row."""

    world: World
    kind: Kind
    shops: dict[str, Shop]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def gate(installed) -> Iterator[Gate]:
    with Gate(installed) as running:
        yield running


@pytest.fixture(scope="module")
def make(installed, server, receiver, gate, tmp_path_factory) -> Callable[[str], World]:
    """Makes worlds with a controller of their own; all share a ledger and a Lease."""
    folder = tmp_path_factory.mktemp("controller")

    def made(words: str) -> World:
        controller = ActionController(
            installed, folder, artifact_hosts=(server.host,), receiver=receiver, gate=gate, words=words
        )
        return World(installed, controller, receiver, gate)

    return made


@contextmanager
def crashed(kind: Kind, make: Callable[[str], World], server: ArtifactServer) -> Iterator[Crashed]:
    """Every row in a namespace of its own, held at the moment; it happens, and is over."""
    number = KINDS.index(kind)
    world, standby = make(f"first-{number}"), make(f"second-{number}").controller
    with ExitStack() as stack:
        stack.push(world.controller.__exit__)
        stack.push(standby.__exit__)
        world.controller.start(*kind.arguments)
        shops = {
            row.name: stack.enter_context(Shop(world.plane, world.controller, server, words=f"{row.name}-{number}"))
            for row in kind.rows
        }
        holds = _held(world, shops, kind)

        def release() -> None:
            for hold in holds:
                hold.open()

        def meanwhile() -> None:
            for row in kind.rows:
                row.meanwhile(world, shops[row.name])

        kind.strike(Scene(world, release, meanwhile, standby))
        try:
            yield Crashed(world, kind, shops)
        finally:
            # The Lease is given back, so that nobody waits for it.
            (standby if standby.runs else world.controller).end()


def _held(world: World, shops: dict[str, Shop], kind: Kind) -> list[Hold | HeldAnswer]:
    """All actions are at the moment."""
    holds = {}
    for row in kind.rows:
        shop = shops[row.name]
        row.prepare(world, shop)
        _publish(shop, row)
        if kind.side == "recorded" and row.name == "wait":
            row.meanwhile(world, shop)
        if kind.side != "recorded":
            holds[row.name] = row.hold(world, shop, kind.side)
        shop.release(stages=[stage(STAGE, actions={row.hook: [row.action(world, shop)]})])
    for name, hold in holds.items():
        hold.until_reached(shops[name].story)
    if kind.side == "recorded":
        for shop in shops.values():
            until_recorded(shop, "action.finished", action=ACTION, pause_s=0.01)
    return list(holds.values())


def _publish(shop: Shop, row: Row) -> None:
    """What the stage rolls out; that of an onFailure action cannot be applied."""
    files = {"config.yaml": shop.config(STAGE, "v1")}
    if row.hook == "onFailure":
        files["wrong.yaml"] = shop.config("Wrong", "v1")
    shop.publish(STAGE, "v1", files)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_effects_are_seen_as_often_as_promised(kind, make, server):
    with crashed(kind, make, server) as scene:
        wrong = []
        for row in kind.rows:
            try:
                _check(scene, row)
            except AssertionError as error:
                wrong.append(f"{row.name}: {error}")
        assert not wrong, "\n\n".join(wrong)


def _check(scene: Crashed, row: Row) -> None:
    world, shop, promise = scene.world, scene.shops[row.name], scene.kind.promise(row)
    if row.hook == "onFailure":
        _failed(shop)
    elif promise.held:
        said = shop.until_failed(UNKNOWN, f"{row.hook}-action: {ACTION}: ", stage=STAGE)
        assert f"--stage {STAGE} --action {ACTION}" in said
        assert shop.stages()[STAGE]["heldActions"] == [ACTION]
    else:
        shop.until_ready(revision="v1")
        *failed, finished = recorded(shop, "action.finished", action=ACTION)
        assert finished["outcome"] == "ok"
        # What is known not to have worked, or does no harm a second time, is tried again while the process lives.
        assert not failed or scene.kind.retried
    assert row.count(world, shop) == promise.effects
    assert scene.kind.retried or len(recorded(shop, "action.intended", action=ACTION)) == 1
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


def test_a_creation_that_the_network_delivers_late_runs_nothing(make, server):
    """Its sender is gone, another one has done everything and deleted the Job; then the server gets it."""
    world, row = make("late"), next(row for row in ROWS if row.name == "job")
    with world.controller as controller, Shop(world.plane, controller, server, words="late") as shop:
        row.prepare(world, shop)
        _publish(shop, row)
        late = world.gate.hold("POST", f"/namespaces/{shop.namespace}/jobs", "late")
        shop.release(stages=[stage(STAGE, actions={row.hook: [row.action(world, shop)]})])
        late.until_reached(shop.story)
        controller.kill()
        controller.start()
        shop.until_ready(revision="v1")
        eventually(lambda: live_jobs(shop) == [], what="the Job is deleted", show=shop.story)
        assert (len(jobs_made(shop)), len(jobs_run(shop))) == (1, 1)

        late.open()
        (job,) = eventually(lambda: live_jobs(shop), what="the creation arrives", show=shop.story)
        shop.kubectl.wait("condition=Suspended", f"job/{job['metadata']['name']}")
        assert (len(jobs_made(shop)), len(jobs_run(shop))) == (2, 1)
        assert shop.kubectl("get", "jobs", "-l", "stages.metio.wtf/awaits-record", "-o", "name")
        controller.end()


def test_afterwards_the_ledger_is_valid(make):
    verdict = make("reader").controller.audit()
    assert verdict.valid, verdict
