"""The life of a StageSet on a real cluster, as a tenant's ServiceAccount, by the shipped controller."""

from __future__ import annotations

import pytest

from reconciler.api import reasons
from tests.cluster.rollout import pages
from tests.cluster.rollout.shop import ACCOUNT, NAME, SOURCES, STAGES, stage
from tests.cluster.rollout.waiting import eventually, throughout

REASONS = pages.sections("runbooks/README.md")
INVENTORIES = f"stages.metio.wtf/stage-set={NAME}"


def _apps(shop, revision: str, **annotations: str) -> None:
    for name in STAGES:
        app = shop.deployment(name, f"app:{revision}", **annotations)
        shop.publish(name, revision, {"app.yaml": app, "config.yaml": shop.config(name, revision)})


def test_three_stages_under_a_tenants_account(shop, controller):
    _apps(shop, "v1", after="300ms")
    shop.release()
    shop.until_ready(revision="v1")
    assert shop.revisions() == ["v1"] * 3

    created = [shop.kubectl.get("deployment", name)["metadata"]["creationTimestamp"] for name in STAGES]
    assert created == sorted(created), "stage after stage"
    live = shop.kubectl.get("deployment", "backend")["metadata"]
    assert live["labels"] == {
        "stages.metio.wtf/name": NAME,
        "stages.metio.wtf/namespace": shop.namespace,
        "stages.metio.wtf/stage": "backend",
    }
    assert "stageset-controller" in {
        one["manager"]
        for one in shop.kubectl.get("deployment", "backend", "--show-managed-fields")["metadata"]["managedFields"]
    }

    inventory = shop.kubectl.get("stageinventory", "-l", f"{INVENTORIES},stages.metio.wtf/stage=backend")
    (shard,) = inventory["items"]
    assert [entry["id"] for entry in shard["spec"]["entries"]] == [
        f"{shop.namespace}_backend__ConfigMap",
        f"{shop.namespace}_backend_apps_Deployment",
    ]
    assert shop.kubectl("get", "stagesets").split()[4:7] == [NAME, "True", "3"]


def test_events_and_logs_say_what_the_ledger_says(shop, controller):
    shop.roll_out()
    shop.publish("backend", "v2", {"config.yaml": "a: [\n"})
    message = shop.until_failed("build: ")
    shop.publish("backend", "v3", {"config.yaml": shop.config("backend", "v3")})
    eventually(lambda: shop.revisions()[1] == "v3", what="healed", show=shop.story)
    shop.until_ready()

    def shown() -> list[tuple[str, str]]:
        found = shop.kubectl.get("events.events.k8s.io", "--field-selector", "regarding.kind=StageSet")["items"]
        return [(one["type"], one["reason"]) for one in sorted(found, key=lambda one: one["eventTime"])]

    wanted = [("Normal", "Succeeded"), ("Warning", "StageFailed"), ("Normal", "Succeeded")]
    eventually(lambda: shown() == wanted, what="three Events", show=shown)
    described = shop.kubectl("describe", "stageset", NAME)
    assert message[:60] in " ".join(described.split())

    types = shop.types()
    assert types[0] == "run.opened"
    assert types.count("run.succeeded") == 2
    assert types.count("run.failed") >= 1
    lines = [line for line in controller.log().splitlines() if f'"{shop.namespace}/{NAME}"' in line]
    assert sum('"event": "run.failed"' in line for line in lines) == types.count("run.failed")


@pytest.mark.parametrize("kind", ["GitRepository", "OCIRepository", "Bucket"])
def test_a_source_of_flux_is_used_directly(shop, kind):
    for name in STAGES:
        body = shop.archive({"config.yaml": shop.config(name, "v1")})
        shop.publish_bytes(name, "v1", body, kind=kind)
    shop.release(stages=[{"name": name, "sourceRef": {"kind": kind, "name": name}} for name in STAGES])
    shop.until_ready(revision="v1")


def test_suspend_stops_and_resume_goes_on(shop):
    shop.roll_out()
    shop.merge({"spec": {"suspend": True}})
    eventually(lambda: shop.condition().get("reason") == "Suspended", what="suspended", show=shop.story)
    for name in STAGES:
        shop.publish(name, "v2", {"config.yaml": shop.config(name, "v2")})

    def untouched() -> None:
        assert shop.revisions() == ["v1"] * 3

    throughout(untouched, seconds=1.5)
    shop.merge({"spec": {"suspend": False}})
    shop.until_ready(revision="v2")
    assert shop.revisions() == ["v2"] * 3


def test_a_request_is_handled_once(shop):
    shop.roll_out()
    before = shop.types().count("run.opened")
    shop.kubectl("annotate", "stageset", NAME, "reconcile.fluxcd.io/requestedAt=2030-01-31T12:00:00Z")
    eventually(
        lambda: shop.stageset()["status"].get("lastHandledReconcileAt") == "2030-01-31T12:00:00Z",
        what="handled",
        show=shop.story,
    )
    shop.until_ready()
    throughout(lambda: None, seconds=0.5)
    assert shop.types().count("run.opened") == before + 1


@pytest.mark.parametrize("what", ["spec", "revision", "suspend", "deletion"])
def test_waiting_for_readiness_holds_nothing_up(shop, what):
    """I11: whatever it waits for, a change takes effect within seconds."""
    _apps(shop, "v1", behaviour="never-ready")
    shop.release(timeout="10m")
    eventually(lambda: shop.stages().get("database", {}).get("phase") == "Verifying", what="verifying", show=shop.story)
    if what == "spec":
        shop.merge({"spec": {"stages": [stage(name, readyChecks={"disableWait": True}) for name in STAGES]}})
        shop.until_ready(revision="v1", deadline_s=15)
    elif what == "revision":
        for name in STAGES:
            shop.publish(name, "v2", {"config.yaml": shop.config(name, "v2")})
        shop.until_ready(revision="v2", deadline_s=15)
        assert "deployment" not in shop.kubectl("get", "deployments", "-o", "name"), "what v2 dropped is pruned"
    elif what == "suspend":
        shop.merge({"spec": {"suspend": True}})
        eventually(lambda: shop.condition().get("reason") == "Suspended", what="suspended", deadline_s=15)
    else:
        shop.kubectl("delete", "stageset", NAME, "--timeout=15s")
        assert shop.api.get(shop.path).status == 404


def test_deletion_takes_the_stages_down_in_reverse_order(shop, controller):
    _apps(shop, "v1")
    shop.release()
    shop.until_ready()
    shop.kubectl.apply(shop.config("foreign", "kept"))
    mark = shop.plane.audit.mark()
    shop.kubectl("delete", "stageset", NAME, "--timeout=40s")

    def left() -> list[str]:
        found = shop.kubectl("get", "deployments,configmaps,stageinventories", "-o", "name").split()
        return [name for name in found if "kube-root-ca" not in name]

    # The inventories go with their owner, by the cluster's garbage collector.
    eventually(lambda: left() == ["configmap/foreign"], what="only what is not ours is left", show=left)
    account = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
    gone = [one.name for one in shop.plane.audit.since(mark) if one.user == account and one.verb == "delete"]
    assert gone == [name for name in reversed(STAGES) for _ in range(2)]
    assert shop.types()[-1] == "stageset.released"
    eventually(
        lambda: controller.metric("stageset_reconcile_total", namespace=shop.namespace) == 0,
        what="its metrics are gone",
    )


def test_runbook_invalidspec(shop):
    shop.roll_out()
    before = shop.revisions()
    shop.merge({"spec": {"updateWindows": [{"type": "Deny", "schedule": "0 0 * * *", "duration": "1h"}]}})
    section = _blocked(shop, "InvalidSpec")
    assert "spec.updateWindows is not supported yet" in pages.type_in(section.look[0], shop)
    pages.type_in(section.look[1], shop)
    assert shop.revisions() == before
    (remedy,) = section.remedy
    pages.type_in(remedy, shop)
    shop.until_ready()


def test_runbook_artifactnotfound_and_sourcenotready(shop):
    for name in STAGES[1:]:
        shop.publish(name, "v1", {"config.yaml": shop.config(name, "v1")})
    shop.release()
    section = _blocked(shop, "ArtifactNotFound")
    assert f"ExternalArtifact {shop.namespace}/database does not exist" in shop.condition()["message"]
    for command in section.look:
        pages.type_in(command, shop)
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")}, ready="False")
    section = _blocked(shop, "SourceNotReady")
    for command in section.look:
        assert "database" in pages.type_in(command, shop)
    shop.publish("database", "v1", {"config.yaml": shop.config("database", "v1")})
    shop.until_ready(revision="v1")


def test_runbook_resolvefailed(shop):
    """Two ExternalArtifacts point back at one producer; taking one away is enough."""
    shop.roll_out()
    producer = {"apiVersion": "example.com/v1", "kind": "Producer", "name": "site"}
    for name in ("backend", "frontend"):
        shop.api.merge(
            f"{SOURCES}/namespaces/{shop.namespace}/externalartifacts/{name}", {"spec": {"sourceRef": producer}}
        ).ok()
    shop.merge({"spec": {"stages": [stage("database"), {"name": "backend", "sourceRef": producer}]}})
    section = _blocked(shop, "ResolveFailed")
    assert "the ExternalArtifacts backend, frontend point back at it" in shop.condition()["message"]
    for command in section.look:
        assert "backend\tProducer/site" in pages.type_in(command, shop)
    shop.kubectl("delete", "externalartifact", "frontend")
    shop.until_ready()


def test_every_reason_has_a_runbook():
    told = {anchor for anchor, section in REASONS.items() if section.level == 2}
    linked = {reason.lower() for reason in reasons.READY_REASONS - reasons.WITHOUT_RUNBOOK}
    # Of what is not supported yet, or has become StageFailed; and those with a page of their own.
    elsewhere = {"rbacdenied", "stageprogressing", "stagefailed", "actiondirty", "teardownforced"}
    assert told == linked - elsewhere
    tested = {name.removeprefix("test_runbook_") for name in globals() if name.startswith("test_runbook_")}
    # Two of them in test_ordering.
    assert {word for name in tested for word in name.split("_and_")} | {"dependencynotready", "stalled"} == told


def _blocked(shop, reason: str) -> pages.Section:
    eventually(lambda: shop.condition().get("reason") == reason, what=reason, show=shop.story)
    assert shop.condition()["message"].endswith(f"/runbooks/{reason.lower()}/)")
    return REASONS[reason.lower()]


def test_drift_is_put_right_at_the_interval(shop, controller):
    _apps(shop, "v1")
    shop.release(interval="2s")
    shop.until_ready(revision="v1")
    shop.kubectl("scale", "deployment", "backend", "--replicas=3")
    shop.kubectl("delete", "configmap", "frontend")
    eventually(
        lambda: shop.revisions() == ["v1"] * 3 and shop.kubectl.get("deployment", "backend")["spec"]["replicas"] == 1,
        what="put right",
        show=shop.story,
    )
    eventually(
        lambda: controller.metric("stageset_drift_corrected_total", namespace=shop.namespace) == 2,
        what="counted",
        show=lambda: controller.get("/metrics", port=controller.metrics_port)[1],
    )


def test_probes_and_metrics(shop, controller):
    shop.roll_out()
    assert controller.get("/healthz") == (200, "ok\n")
    assert controller.get("/readyz") == (200, "ok\n")
    of = {"namespace": shop.namespace, "name": NAME}
    assert controller.metric("stageset_reconcile_total", **of, reason="Succeeded") == 1
    assert [controller.metric("stageset_stage_applied_total", **of, stage=name) for name in STAGES] == [1, 1, 1]
    ready = {"namespace": shop.namespace, "stageset": NAME}
    assert controller.metric("stageset_stage_ready", **ready) == 3
    assert controller.metric("stageset_ledger_append_seconds_count") > 5
    assert controller.metric("stageset_kustomize_builds_total") >= 3
    assert controller.metric("stageset_watches", mode="polling") == 0
    assert controller.metric("stageset_watches", mode="watching") >= 3


def test_afterwards_the_ledger_is_valid_and_it_ends_when_asked(controller):
    assert controller.end() == 0
    assert controller.audit().valid
    controller.start()
