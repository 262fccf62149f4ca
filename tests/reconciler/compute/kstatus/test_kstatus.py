"""What holds for every kind, and the promise that no JSON value makes it raise."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.kstatus import status_of
from reconciler.compute.project import projected
from tests.reconciler.compute.kstatus.made import NOW_MS, Row, check, cond, obj, table

ROWS: tuple[Row, ...] = (
    ("absent", None, "NotFound", "NotFound", "not found"),
    (
        "deletion",
        obj("Deployment", deletionTimestamp="2023-01-01T00:00:00Z", finalizers=["a/b"]),
        *("Terminating", "Terminating", "is being deleted; waiting for finalizers a/b"),
    ),
    (
        "unobserved generation",
        obj("Widget", generation=3, status={"observedGeneration": 2}),
        *("InProgress", "LatestGenerationNotObserved", "its controller has observed generation 2, not yet 3"),
    ),
    (
        "Reconciling",
        obj("Widget", status={"conditions": [cond("Reconciling", reason="Progressing", message="step 2")]}),
        *("InProgress", "Progressing", "step 2"),
    ),
    ("Stalled", obj("Widget", status={"conditions": [cond("Stalled")]}), "Failed", "Stalled", "is stalled"),
    *(
        (f"{kind} always", obj(kind), "Current", "Current", "ready as soon as it exists")
        for kind in ("ConfigMap", "Secret", "CronJob", "PodDisruptionBudget")
    ),
    ("other without Ready", obj("Widget"), "Current", "Current", "exists; its kind reports no readiness"),
    (
        "other ready",
        obj("Widget", status={"conditions": [cond("Ready", message="all good")]}),
        *("Current", "Current", "all good"),
    ),
    (
        "other not ready",
        obj("Widget", status={"conditions": [cond("Ready", "False", "Broken", "no db")]}),
        *("InProgress", "Broken", "no db"),
    ),
    (
        "other unknown",
        obj("Widget", status={"conditions": [cond("Ready", "Unknown")]}),
        *("InProgress", "NotReady", "condition Ready is Unknown"),
    ),
)


@table(*ROWS)
def test_the_table(live: Any, status: str, reason: str, message: str) -> None:
    check(live, status, reason, message)


def test_another_group_with_a_known_kind_follows_the_generic_rule() -> None:
    knative = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}}
    knative["status"] = {"conditions": [cond("Ready", "False", "RevisionMissing")]}  # type: ignore[assignment]
    assert status_of(knative, now_ms=NOW_MS).status == "InProgress"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = [
    *(("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
    *(("v1", kind) for kind in ("Pod", "Service", "PersistentVolumeClaim", "ConfigMap", "Secret")),
    *(("batch/v1", "Job"), ("batch/v1", "CronJob"), ("policy/v1", "PodDisruptionBudget"), ("example.com/v1", "Widget")),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
]
WORDS = st.sampled_from(["True", "False", "Ready", "Failed", "Complete", "Progressing", "Unschedulable", "Running"])
fields = st.sampled_from(
    [
        *("replicas", "updatedReplicas", "availableReplicas", "readyReplicas", "observedGeneration", "currentReplicas"),
        *("currentRevision", "updateRevision", "desiredNumberScheduled", "currentNumberScheduled", "numberReady"),
        *("updatedNumberScheduled", "numberAvailable", "fullyLabeledReplicas", "parallelism", "completions"),
        "phase",
        "suspend",
        "updateStrategy",
        "type",
        "startTime",
        "containerStatuses",
    ]
)
conditions = st.lists(
    st.dictionaries(st.sampled_from(["type", "status", "reason", "message"]), WORDS | json_values), max_size=4
)
statuses = st.dictionaries(fields, WORDS | st.integers(0, 3) | json_values, max_size=5)


@given(value=json_values)
def test_no_json_value_makes_it_raise(value: Any) -> None:
    status_of(value, now_ms=NOW_MS)


@given(kind=st.sampled_from(KINDS), spec=statuses | json_values, status=statuses | json_values, found=conditions)
def test_no_object_of_a_known_kind_makes_it_raise(kind: tuple[str, str], spec: Any, status: Any, found: Any) -> None:
    status = {**status, "conditions": found} if isinstance(status, dict) else status
    metadata = {"generation": 1, "creationTimestamp": "2023-11-14T22:13:14Z"}
    made = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    verdict = status_of(made, now_ms=NOW_MS)
    if kind not in (("v1", "ConfigMap"), ("v1", "Secret")):  # these have no status, and only metadata is recorded
        seen = status_of(projected(made), now_ms=NOW_MS)
        assert (verdict.status, verdict.reason) == (seen.status, seen.reason)
