"""Hand edits on a real API server: seen by watch, corrected in seconds, recorded with the hand that made them."""

from __future__ import annotations

import time

from reconciler.folds.drift import FLAPPING_TIMES
from tests.cluster.rollout.shop import ACCOUNT, NAME, STAGES, stage
from tests.cluster.rollout.waiting import eventually, throughout

#: From the hand edit to the corrected object.
CORRECTED_S = 5.0


def _drifts(shop) -> list[dict]:
    return [
        one["event"] for one in shop.controller.events(f"{shop.namespace}/{NAME}") if one["type"] == "drift.observed"
    ]


def _edit(shop, kind: str, name: str, patch: str, manager: str = "kubectl-edit") -> None:
    shop.kubectl("patch", kind, name, "--type=merge", f"--field-manager={manager}", "-p", patch)


def _corrected_s(shop, holds) -> float:
    begun = time.monotonic()
    eventually(holds, what="corrected", deadline_s=30, show=shop.story)
    return time.monotonic() - begun


def _stays(shop, holds, *, seconds: float, what: str) -> None:
    def asserted() -> None:
        assert holds(), f"{what}\n{shop.story()}"

    throughout(asserted, seconds=seconds)


def _apps(shop, **detection) -> None:
    for name in STAGES:
        app = shop.deployment(name, "app:v1")
        shop.publish(name, "v1", {"app.yaml": app, "config.yaml": shop.config(name, "v1")})
    more = {"driftDetection": detection} if detection else {}
    shop.release(stages=[stage(name, **more) for name in STAGES])
    shop.until_ready(revision="v1")


def test_a_hand_edit_is_corrected_within_seconds(shop, controller):
    _apps(shop)
    _edit(shop, "configmap", "backend", '{"data": {"revision": "by hand"}}')
    took_s = [_corrected_s(shop, lambda: shop.revisions() == ["v1"] * 3)]
    shop.until_ready()
    found = _drifts(shop)
    assert [(one["manager"], one["objects"][0]["message"]) for one in found] == [
        ("kubectl-edit", "/data/revision, by kubectl-edit")
    ]

    _edit(
        shop,
        "deployment",
        "frontend",
        '{"spec": {"template": {"metadata": {"labels": {"app": "frontend", "x": "y"}}}}}',
    )
    _stays(shop, lambda: len(_drifts(shop)) == 1, seconds=3, what="nobody renders that field")
    image = '{"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "app:by-hand"}]}}}}'
    _edit(shop, "deployment", "frontend", image)

    def restored() -> bool:
        spec = shop.kubectl.get("deployment", "frontend")["spec"]
        return spec["template"]["spec"]["containers"][0]["image"] == "app:v1"

    took_s.append(_corrected_s(shop, restored))
    shop.until_ready()
    shop.kubectl("delete", "configmap", "database")
    took_s.append(_corrected_s(shop, lambda: shop.revisions() == ["v1"] * 3))
    shop.until_ready()
    print("corrected after", [f"{one:.1f} s" for one in took_s])
    assert max(took_s) < CORRECTED_S
    assert [one["objects"][0]["message"] for one in _drifts(shop)[1:]] == [
        "/spec/template/spec/containers/0/image, by kubectl-edit",
        "was deleted",
    ]
    notes = [
        one["note"] for one in shop.kubectl.get("events.events.k8s.io")["items"] if one["reason"] == "DriftCorrected"
    ]
    assert any("ConfigMap/" in note and "kubectl-edit" in note for note in notes)
    labels = {"namespace": shop.namespace, "name": NAME}
    assert controller.metric("stageset_drift_corrected_total", **labels) == 3


def test_what_is_at_rest_appends_nothing_and_is_asked_nothing(shop, controller):
    _apps(shop)
    # The watches begin, and the pods come to rest.
    throughout(lambda: None, seconds=1)
    records, mark = shop.records(), shop.plane.audit.mark()
    _stays(shop, lambda: shop.records() == records, seconds=8, what="nothing is recorded")
    account = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
    asked = [one for one in shop.plane.audit.since(mark) if one.user == account and one.verb != "watch"]
    assert [(one.verb, one.path) for one in asked] == []


def test_warn_and_an_ignored_path(shop, controller):
    _apps(shop, mode="Warn", ignore=[{"target": {"kind": "Deployment"}, "paths": ["/spec/replicas"]}])
    shop.kubectl("scale", "deployment", "backend", "--replicas=2")
    _stays(shop, lambda: _drifts(shop) == [], seconds=3, what="the number of replicas is ignored")
    for name in STAGES:
        files = {"app.yaml": shop.deployment(name, "app:v2"), "config.yaml": shop.config(name, "v2")}
        shop.publish(name, "v2", files)
    shop.until_ready(revision="v2")
    scaled = shop.kubectl.get("deployment", "backend")["spec"]
    assert (scaled["replicas"], scaled["template"]["spec"]["containers"][0]["image"]) == (2, "app:v2")
    _edit(shop, "configmap", "backend", '{"data": {"revision": "by hand"}}', manager="somebody")

    def told() -> bool:
        condition = shop.condition("Drifted")
        return condition.get("reason") == "DriftDetected" and "by somebody" in condition["message"]

    eventually(told, what="it is told", deadline_s=CORRECTED_S, show=shop.story)
    assert shop.condition()["status"] == "True"
    _stays(shop, lambda: shop.revisions()[1] == "by hand", seconds=3, what="it is left so")
    assert len(_drifts(shop)) == 1


def test_another_controller_is_named_and_not_fought_for_ever(shop, controller):
    _apps(shop)
    for _ in range(FLAPPING_TIMES):
        eventually(lambda: shop.revisions()[1] == "v1", what="corrected", deadline_s=10, show=shop.story)
        shop.until_ready()
        before = len(_drifts(shop))
        _edit(shop, "configmap", "backend", '{"data": {"revision": "theirs"}}', manager="their-controller")
        eventually(lambda before=before: len(_drifts(shop)) > before, what="seen", deadline_s=10, show=shop.story)
    condition = eventually(lambda: shop.condition("Drifted"), what="told", deadline_s=10, show=shop.story)
    assert condition["reason"] == "DriftFlapping"
    assert "by their-controller" in condition["message"]
    assert "by their-controller" in shop.condition()["message"]
    _stays(shop, lambda: shop.revisions()[1] == "theirs", seconds=3, what="it is left so")
    assert len(_drifts(shop)) == FLAPPING_TIMES
