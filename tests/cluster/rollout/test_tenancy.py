"""What a tenant relies on: its rights and no more, its secrets kept, its objects owned, its release independent."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

from tests.cluster.rollout.shop import NAME, RULES, STAGES, role, stage
from tests.cluster.rollout.waiting import eventually, throughout

SECRET = "hunter2-Zx81-correct-horse"


def test_without_list_and_watch_it_asks_one_by_one(shop, controller):
    (rule,) = RULES
    shop.kubectl.apply(role([{**rule, "verbs": ["get", "create", "patch", "delete"]}]))
    for name in STAGES:
        shop.publish(name, "v1", {"app.yaml": shop.deployment(name, "app:1"), "c.yaml": shop.config(name, "v1")})
    shop.release()
    shop.until_ready(revision="v1")
    assert controller.metric("stageset_watches", mode="polling") >= 1


def test_no_secret_is_written_down_anywhere(shop, controller):
    """Neither when it goes well nor when the API server's refusal quotes the value."""
    data = {"password": base64.b64encode(SECRET.encode()).decode()}
    shop.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "data": data})
    for name in STAGES:
        config = shop.config(name, "v1")
        config["data"]["connection"] = "postgres://app:${password}@db"
        shop.publish(name, "v1", {"config.yaml": config})
    variables = {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "credentials"}]}}
    shop.release(stages=[stage(name, **variables) for name in STAGES])
    shop.until_ready(revision="v1")
    assert shop.kubectl.get("configmap", "backend")["data"]["connection"] == f"postgres://app:{SECRET}@db"

    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": shop.namespace},
        "spec": {"ports": [{"port": 80, "name": "${password}"}]},
    }
    shop.publish("backend", "v2", {"service.yaml": service})
    message = shop.until_failed("apply: ")
    assert "Service" in message

    shown = [
        shop.kubectl("get", "stagesets,stageinventories,events", "-o", "yaml"),
        controller.log(),
        controller.get("/metrics", port=controller.metrics_port)[1],
    ]
    files = [path.read_bytes() for path in controller.ledger.parent.glob("ledger.db*")]
    encoded = base64.b64encode(SECRET.encode())
    for text in [*(one.encode() for one in shown), *files]:
        assert SECRET.encode() not in text
        assert encoded not in text


def test_an_outage_of_the_artifact_server_turns_nothing_red(shop, controller, server):
    shop.roll_out(interval="2s")
    for name in STAGES:
        del server.bodies[f"/{shop.namespace}/{name}/v1.tar.gz"]
    asked = len(server.asked)

    def ready() -> None:
        assert shop.condition()["status"] == "True"

    throughout(ready, seconds=3)
    # What is deployed can be built again, and put right, from what is kept.
    shop.kubectl("delete", "configmap", "backend")
    eventually(lambda: shop.revisions() == ["v1"] * 3, what="put right", show=shop.story)
    assert [path for path in server.asked[asked:] if shop.namespace in path] == []


def test_an_object_that_moves_to_another_stage_is_never_deleted(shop):
    shop.publish("database", "v1", {"c.yaml": shop.config("database", "v1"), "m.yaml": shop.config("moving", "v1")})
    for name in STAGES[1:]:
        shop.publish(name, "v1", {"c.yaml": shop.config(name, "v1")})
    shop.release()
    shop.until_ready(revision="v1")
    before = shop.kubectl.get("configmap", "moving")["metadata"]["uid"]
    shop.publish("frontend", "v2", {"c.yaml": shop.config("frontend", "v2"), "m.yaml": shop.config("moving", "v2")})
    shop.publish("database", "v2", {"c.yaml": shop.config("database", "v2")})
    shop.publish("backend", "v2", {"c.yaml": shop.config("backend", "v2")})
    shop.until_ready(revision="v2")
    moved = shop.kubectl.get("configmap", "moving")
    assert (moved["metadata"]["uid"], moved["metadata"]["labels"]["stages.metio.wtf/stage"]) == (before, "frontend")


def test_a_stage_that_leaves_the_spec_is_taken_down(shop):
    shop.roll_out()
    shop.merge({"spec": {"stages": [stage("database"), stage("frontend")]}})
    eventually(lambda: shop.revisions() == ["v1", "-", "v1"], what="taken down", show=shop.story)
    shop.until_ready()
    left = shop.kubectl("get", "stageinventories", "-l", "stages.metio.wtf/stage=backend", "-o", "name")
    assert left == ""


def test_what_is_labelled_to_stay_stays(shop):
    shop.publish("backend", "v1", {"c.yaml": shop.config("backend", "v1"), "k.yaml": shop.config("kept", "v1")})
    for name in ("database", "frontend"):
        shop.publish(name, "v1", {"c.yaml": shop.config(name, "v1")})
    shop.release()
    shop.until_ready(revision="v1")
    shop.kubectl("label", "configmap", "kept", "stages.metio.wtf/prune=disabled")
    shop.publish("backend", "v2", {"c.yaml": shop.config("backend", "v2")})
    eventually(lambda: shop.revisions()[1] == "v2", what="v2", show=shop.story)
    shop.until_ready()
    assert shop.kubectl.get("configmap", "kept")["data"] == {"revision": "v1"}


def test_a_suspended_one_can_be_deleted(shop):
    shop.roll_out(suspend=False)
    shop.merge({"spec": {"suspend": True}})
    eventually(lambda: shop.condition().get("reason") == "Suspended", what="suspended", show=shop.story)
    shop.kubectl("delete", "stageset", NAME, "--timeout=20s")
    assert shop.revisions() == ["-", "-", "-"]


def test_a_deletion_that_is_denied_says_so_and_goes_on_once_it_is_allowed(shop):
    shop.roll_out(interval="2s")
    (rule,) = RULES
    shop.kubectl.apply(role([{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "delete"]}]))
    shop.kubectl("delete", "stageset", NAME, "--wait=false")
    shop.until_failed("prune: ", "cannot delete resource", stage="frontend")
    assert shop.revisions() == ["v1"] * 3
    shop.kubectl.apply(role(RULES))
    eventually(lambda: shop.api.get(shop.path).status == 404, what="gone", show=shop.story)
    assert shop.revisions() == ["-", "-", "-"]


def test_one_that_was_never_rolled_out_can_be_deleted(shop):
    shop.release()
    eventually(lambda: shop.condition().get("reason") == "ArtifactNotFound", what="blocked", show=shop.story)
    shop.kubectl("delete", "stageset", NAME, "--timeout=10s")


def test_a_second_controller_on_the_same_ledger_waits_and_says_for_whom(controller):
    program = str(Path(sys.executable).with_name("stageset-controller"))
    flags = (f"--kubeconfig={controller.kubeconfig}", "--metrics-bind-address=0", "--health-probe-bind-address=0")
    command = [program, f"--ledger={controller.ledger}", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as second:
        assert second.stderr is not None
        line = second.stderr.readline()
        second.terminate()
        assert second.wait(timeout=30) == 0
    assert "waits for the ledger" in line
    assert str(controller.pid) in line


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
