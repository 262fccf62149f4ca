"""A ledger that is older than the cluster, or another cluster's: nothing fires twice, nothing is deleted or orphaned.

The controller process ends, its file is taken away or exchanged, and it is started again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.adapters.recovery import LEDGER_BEHIND
from tests.cluster.rollout.acting import (
    UNKNOWN,
    ActionController,
    ask,
    job,
    job_of,
    jobs_made,
    post_to,
    recorded,
    resolve,
    until_recorded,
)
from tests.cluster.rollout.installed import install
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.shop import NAME, STAGES, Shop, stage
from tests.cluster.rollout.waiting import eventually

LIFETIME, REVISION = "once", "each"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, tmp_path_factory) -> Iterator[ActionController]:
    folder = tmp_path_factory.mktemp("controller")
    with ActionController(installed, folder, artifact_hosts=(server.host,), receiver=receiver) as running:
        yield running


@pytest.fixture(scope="module")
def theirs(remote_control_plane, server, receiver, tmp_path_factory) -> Path:
    """A ledger that a controller of another cluster wrote."""
    install(remote_control_plane)
    folder = tmp_path_factory.mktemp("theirs")
    controller = ActionController(remote_control_plane, folder, artifact_hosts=(server.host,), receiver=receiver)
    with controller, Shop(remote_control_plane, controller, server, words="theirs") as shop:
        shop.roll_out("v1")
        controller.end()
    return controller.ledger


class World(NamedTuple):
    """A release whose ledger is about to be lost."""

    shop: Shop
    controller: ActionController
    receiver: Receiver

    def path(self, name: str, action: str) -> str:
        return f"/{self.shop.namespace}/{name}/{action}"

    def actions(self, name: str) -> dict[str, Any]:
        """Two requests, one for ever and one for each revision, and a Job."""
        found = {
            "pre": [
                {**post_to(self.receiver, self.path(name, LIFETIME), name=LIFETIME), "scope": "Lifetime"},
                post_to(self.receiver, self.path(name, REVISION), name=REVISION),
            ]
        }
        return {**found, "post": [job_of("jobs")]} if name == "backend" else found

    def publish(self, revision: str, **more: Any) -> None:
        """A revision of all stages; each has an object of its own beside the usual one."""
        for name in STAGES:
            files = {"config.yaml": self.shop.config(name, revision), "old.yaml": self.shop.config(f"{name}-old", "v1")}
            self.shop.publish(name, revision, files)

    def fired(self) -> dict[str, int]:
        """How often each action took effect, seen from outside."""
        requests = {
            f"{name}/{action}": len(self.receiver.at(self.path(name, action)))
            for name in STAGES
            for action in (LIFETIME, REVISION)
        }
        return {**requests, "job": len(jobs_made(self.shop))}

    def objects(self) -> dict[str, str]:
        """UIDs of what the release made."""
        found = self.shop.kubectl.get("configmaps", "-l", f"stages.metio.wtf/name={NAME}")["items"]
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}

    def behind(self) -> str:
        """The message of the Event that tells of it; empty where there is none."""
        regarding = f"regarding.name={NAME},reason={LEDGER_BEHIND}"
        found = self.shop.kubectl.get("events.events.k8s.io", "--field-selector", regarding)["items"]
        return str(found[-1]["note"]) if found else ""

    def until_told(self) -> str:
        """It was noticed, recorded and told; returns the message."""
        what = "a LedgerBehind Event"
        said = eventually(self.behind, what=what, show=lambda: self.shop.story() + self.controller.log_tail())
        until_recorded(self.shop, "stageset.adopted")
        assert recorded(self.shop, "stageset.adopted")[0]["event"]["why"]
        return said

    def after(self, exchange: Callable[[Path], None]) -> None:
        """End the controller, exchange its ledger, start it."""
        code = self.controller.end()
        exchange(self.controller.ledger)
        self.controller.start()
        assert code == 0


@pytest.fixture
def world(shop, controller, receiver) -> World:
    """A release at v1, with all its actions done."""
    made = World(shop, controller, receiver)
    shop.publish("jobs", "j1", {"job.yaml": job()})
    made.publish("v1")
    shop.release(stages=[stage(name, actions=made.actions(name)) for name in STAGES])
    shop.until_ready(revision="v1")
    assert set(made.fired().values()) == {1}
    _until_shown(shop)
    return made


def _until_shown(shop: Shop) -> None:
    """What recovery reads has caught up with the ledger."""

    def caught_up() -> bool:
        events = shop.controller.events(f"{shop.namespace}/{NAME}")
        position = shop.stageset().get("status", {}).get("ledger", {})
        done = shop.kubectl.get("stageledger", NAME).get("status", {}).get("completedActions", [])
        inventories = shop.kubectl.get("stageinventories")["items"]
        entries = [len(one["spec"].get("entries", [])) for one in inventories]
        return position.get("version") == len(events) and len(done) == len(STAGES) and entries == [2, 2, 2]

    eventually(caught_up, what="status, inventories and StageLedger as the ledger says", show=shop.story)


def lost(ledger: Path) -> None:
    """The volume is gone, with the key beside the ledger."""
    for path in ledger.parent.glob("ledger.db*"):
        path.unlink()


def copied(source: Path, ledger: Path) -> None:
    lost(ledger)
    for path in source.parent.glob("ledger.db*"):
        if path.name == source.name or path.name.removeprefix(source.name) in {"-wal", "-shm", ".key"}:
            shutil.copy(path, ledger.parent / path.name.replace(source.name, ledger.name, 1))


def _goes_on(world: World, before: dict[str, str]) -> None:
    """Nothing is lost from sight: the next revision is rolled out, what it drops goes, and so does all at the end."""
    shop, fired = world.shop, world.fired()
    for name in STAGES:
        shop.publish(name, "v9", {"config.yaml": shop.config(name, "v9")})
    shop.until_ready(revision="v9")
    after = world.objects()
    assert set(after) == set(STAGES), "what v9 drops was known to be ours"
    assert {name: before[name] for name in STAGES} == after, "changed in place"
    once = {key: count + (0 if key.endswith(LIFETIME) else 1) for key, count in fired.items()}
    assert world.fired() == once, "a new revision fires what is for each revision, once"
    shop.kubectl("delete", "stageset", NAME, "--timeout=30s")
    assert world.objects() == {}


def test_a_lost_ledger_fires_nothing_and_loses_no_object(world):
    fired, before = world.fired(), world.objects()
    world.after(lost)
    said = world.until_told()
    assert "this ledger has no record of it" in said
    world.shop.until_ready(revision="v1")
    ask(world.shop, "a whole run")
    eventually(lambda: recorded(world.shop, "run.succeeded"), what="a run", show=world.shop.story)
    assert world.fired() == fired
    assert world.objects() == before
    _goes_on(world, before)


def test_an_older_copy_fires_nothing_that_ran_since(world, tmp_path):
    backup = tmp_path / "backup" / "ledger.db"
    backup.parent.mkdir()
    world.after(lambda ledger: copied(ledger, backup))
    world.publish("v2")
    world.shop.publish("frontend", "v2", {"config.yaml": world.shop.config("frontend", "v2")})
    world.shop.until_ready(revision="v2")
    _new = {"database", "database-old", "backend", "backend-old", "frontend"}
    eventually(lambda: set(world.objects()) == _new, what="one is pruned", show=world.shop.story)
    fired, before = world.fired(), world.objects()
    eventually(lambda: len(_entries(world.shop)) == len(before), what="inventories of v2", show=world.shop.story)

    world.after(lambda ledger: copied(backup, ledger))
    said = world.until_told()
    assert "older than the cluster" in said
    world.shop.until_ready(revision="v2")
    assert world.fired() == fired
    assert world.objects() == before
    _goes_on(world, before)


def _entries(shop: Shop) -> list[str]:
    found = shop.kubectl.get("stageinventories")["items"]
    return [entry["id"] for one in found for entry in one["spec"].get("entries", [])]


def test_a_ledger_of_another_cluster_fires_nothing_and_loses_no_object(world, theirs):
    fired, before = world.fired(), world.objects()
    world.after(lambda ledger: copied(theirs, ledger))
    world.until_told()
    world.shop.until_ready(revision="v1")
    assert world.fired() == fired
    assert world.objects() == before
    _goes_on(world, before)


def test_what_was_under_way_when_it_was_lost_is_held(shop, controller, receiver):
    """A request arrived, nobody heard of its answer, and the ledger that knew of it is gone."""
    world = World(shop, controller, receiver)
    path = world.path("database", REVISION)
    held = receiver.hold(path)
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database", actions={"pre": [post_to(receiver, path, name=REVISION)]})])
    held.until_reached(shop.story)
    eventually(lambda: shop.stageset()["status"]["ledger"]["version"], what="it is shown", show=shop.story)
    controller.kill()
    lost(controller.ledger)
    held.open()
    controller.start()

    world.until_told()
    said = shop.until_failed(UNKNOWN, "the ledger is older than the world", stage="database")
    assert f"--stage database --action {REVISION}" in said
    assert len(receiver.at(path)) == 1
    resolve(shop, "done", action=REVISION)
    shop.until_ready(revision="v1")
    assert len(receiver.at(path)) == 1


def test_an_empty_ledger_beside_a_stageset_that_never_ran_is_a_new_installation(shop, controller, receiver):
    assert controller.end() == 0
    lost(controller.ledger)
    path = f"/{shop.namespace}/new"
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.release(stages=[stage("database", actions={"pre": [post_to(receiver, path)]})])
    controller.start()
    shop.until_ready(revision="v1")
    assert len(receiver.at(path)) == 1
    assert World(shop, controller, receiver).behind() == ""


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
