"""What is in the cluster is only shown, and the process may die at any moment: nothing that a user can see changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cluster.rollout.shop import NAME, STAGES
from tests.cluster.rollout.waiting import eventually, throughout


def _publish(shop, revision: str, **annotations: str) -> None:
    for name in STAGES:
        app = shop.deployment(name, f"app:{revision}", **annotations)
        shop.publish(name, revision, {"app.yaml": app, "config.yaml": shop.config(name, revision)})


@pytest.fixture
def settled(shop):
    """A release that is ready, and written down everywhere."""
    _publish(shop, "v1")
    shop.release()
    shop.until_ready(revision="v1")
    eventually(lambda: len(_inventories(shop)) == 3, what="three inventories", show=shop.story)
    return shop


def _inventories(shop) -> dict[str, object]:
    return {one["metadata"]["name"]: one["spec"] for one in shop.kubectl.get("stageinventories")["items"]}


def _without_status(shop) -> None:
    assert "status" not in shop.api.merge(f"{shop.path}/status", {"status": None}).ok()


def _take_away(shop) -> None:
    _without_status(shop)
    shop.kubectl("delete", "stageinventories", "--all")


def test_a_deleted_status_is_written_again(settled):
    status, records = settled.stageset()["status"], settled.records()
    _without_status(settled)
    eventually(lambda: settled.stageset().get("status") == status, what="as it was", show=settled.story)
    assert settled.records() == records, "nothing is recorded, so nothing fired"


def test_a_status_that_somebody_else_wrote_is_written_again(settled):
    status = settled.stageset()["status"]
    settled.api.merge(f"{settled.path}/status", {"status": {"stages": [], "observedGeneration": 0}}).ok()
    eventually(lambda: settled.stageset().get("status") == status, what="as it was", show=settled.story)


def test_deleted_inventories_are_written_again(settled):
    inventories, records = _inventories(settled), settled.records()
    settled.kubectl("delete", "stageinventories", "--all")
    eventually(lambda: _inventories(settled) == inventories, what="as they were", show=lambda: _inventories(settled))
    assert settled.records() == records, "nothing is recorded, so nothing fired"
    # They were not needed to know what is owned.
    settled.kubectl("delete", "stageinventories", "--all")
    settled.publish("backend", "v2", {"config.yaml": settled.config("backend", "v2")})
    eventually(lambda: settled.revisions()[1] == "v2", what="v2", show=settled.story)
    settled.until_ready()
    assert "deployment.apps/backend" not in settled.kubectl("get", "deployments", "-o", "name")


def test_a_kill_at_rest_changes_nothing(settled, controller):
    before, records = settled.visible(), settled.records()
    controller.kill()
    controller.start()

    def unchanged() -> None:
        assert settled.visible() == before

    throughout(unchanged, seconds=2)
    assert settled.records() == records


def test_a_kill_with_status_and_inventories_gone_changes_nothing(settled, controller):
    status, inventories = settled.stageset()["status"], _inventories(settled)
    controller.kill()
    _take_away(settled)
    controller.start()
    eventually(lambda: settled.stageset().get("status") == status, what="the same status", show=settled.story)
    eventually(lambda: _inventories(settled) == inventories, what="the same inventories", show=settled.story)


MOMENTS = [
    ("run.opened", ""), ("connect.intended", "database"), ("fetch.intended", "database"), ("build.intended", "backend"),
    ("apply.intended", "backend"), ("apply.finished", "backend"), ("verify.intended", "backend"),
    ("stage.succeeded", "backend"), ("prune.intended", "frontend"), ("run.succeeded", ""),
]  # fmt: skip


@pytest.mark.parametrize(("moment", "stage"), MOMENTS, ids=[f"{what} {where}".strip() for what, where in MOMENTS])
def test_a_kill_in_the_middle_of_a_release_changes_nothing(settled, controller, moment, stage):
    """Revision v2 drops a ConfigMap of the last stage, so that every operation happens."""
    settled.publish(
        "frontend", "v1b", {"config.yaml": settled.config("frontend", "v1b"), "old.yaml": settled.config("old", "v1")}
    )
    eventually(lambda: settled.revisions()[2] == "v1b", what="v1b", show=settled.story)
    settled.until_ready()
    known = settled.records()

    def reached() -> bool:
        new = controller.events(f"{settled.namespace}/{NAME}")[known:]
        return any((one["type"], one.get("stage", "")) == (moment, stage or one.get("stage", "")) for one in new)

    _publish(settled, "v2", after="300ms")
    eventually(reached, what=f"{moment} {stage}", pause_s=0.002, show=settled.story)
    controller.kill()
    _take_away(settled)
    controller.start()

    settled.until_ready(revision="v2")
    assert settled.revisions() == ["v2"] * 3
    assert "configmap/old" not in settled.kubectl("get", "configmaps", "-o", "name").split()
    images = settled.kubectl("get", "deployments", "-o", "jsonpath={.items[*].spec.template.spec.containers[*].image}")
    assert images == "app:v2 app:v2 app:v2"
    changed = [settled.kubectl.get("deployment", name)["metadata"]["generation"] for name in STAGES]
    assert changed == [2, 2, 1], "each was changed once; v1b had none in the last stage"


def test_a_kill_while_a_failure_is_shown_forgets_nothing(settled, controller):
    settled.publish("backend", "v2", {"config.yaml": "a: [\n"})
    message = settled.until_failed("build: ")
    controller.kill()
    _take_away(settled)
    controller.start()
    assert settled.until_failed("build: ") == message
    assert settled.revisions() == ["v1"] * 3
    settled.publish("backend", "v3", {"config.yaml": settled.config("backend", "v3")})
    eventually(lambda: settled.revisions()[1] == "v3", what="healed", show=settled.story)
    settled.until_ready()


def test_a_kill_during_a_deletion_finishes_it(settled, controller):
    known = settled.records()
    settled.kubectl("delete", "stageset", NAME, "--wait=false")
    eventually(
        lambda: "prune.intended" in settled.types()[known:],
        what="it is being deleted",
        pause_s=0.002,
        show=settled.story,
    )
    controller.kill()
    controller.start()
    eventually(lambda: settled.api.get(settled.path).status == 404, what="gone", show=settled.story)
    left = settled.kubectl("get", "deployments,configmaps", "-o", "name").split()
    assert left == ["configmap/kube-root-ca.crt"]


def test_while_the_ledger_cannot_be_written_nothing_is_done_and_the_probe_says_so(settled, controller):
    """I2: no effect without a durable intent. Another program holds the file's write lock for a while."""
    with closing(sqlite3.connect(controller.ledger, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        _publish(settled, "v2")
        eventually(lambda: controller.get("/healthz")[0] == 503, what="unhealthy", deadline_s=30)
        assert settled.revisions() == ["v1"] * 3
        assert controller.get("/readyz")[0] == 200, "readiness is about what it has seen"
        holder.execute("ROLLBACK")
    settled.until_ready(revision="v2")
    assert controller.get("/healthz") == (200, "ok\n")


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
