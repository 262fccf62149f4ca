"""Deployments, StatefulSets, DaemonSets, ReplicaSets: CONTRACT §4.6, row by row."""

from __future__ import annotations

from typing import Any

from tests.reconciler.compute.kstatus.made import Row, check, cond, obj, table

DEPLOYED = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3, "observedGeneration": 1}
ROLLED_OUT = [cond("Progressing", reason="NewReplicaSetAvailable"), cond("Available")]
SET = {"replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "currentRevision": "a", "updateRevision": "a"}
DAEMONS = {
    "observedGeneration": 1,
    **dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled"), 2),
    **dict.fromkeys(("numberAvailable", "numberReady"), 2),
}
REPLICAS = {"replicas": 2, "fullyLabeledReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
THREE = {"replicas": 3, "progressDeadlineSeconds": 600}


def deployment(conditions: list[dict[str, str]] | None = None, /, **status: Any) -> dict[str, Any]:
    found = ROLLED_OUT if conditions is None else conditions
    return obj("Deployment", spec=THREE, status={**DEPLOYED, "conditions": found, **status}, generation=1)


def daemon_set(**status: Any) -> dict[str, Any]:
    return obj("DaemonSet", spec={}, status={**DAEMONS, **status}, generation=1)


def stateful_set(spec: Any = None, /, **status: Any) -> dict[str, Any]:
    return obj("StatefulSet", spec={"replicas": 3, **(spec or {})}, status={**SET, **status})


def replica_set(**status: Any) -> dict[str, Any]:
    return obj("ReplicaSet", spec={"replicas": 2}, status={**REPLICAS, **status})


def partition(n: int) -> dict[str, Any]:
    return {"updateStrategy": {"rollingUpdate": {"partition": n}}}


ROWS: tuple[Row, ...] = (
    ("deployment current", deployment(), "Current", "Current", "3 of 3 replicas available"),
    ("deployment too few", deployment(replicas=1), "InProgress", "LessReplicas", "1 of 3 replicas created"),
    ("deployment not updated", deployment(updatedReplicas=2), "InProgress", "LessUpdated", "2 of 3 replicas updated"),
    (
        "deployment too many",
        deployment(replicas=4),
        *("InProgress", "ExtraPods", "1 old replicas pending termination"),
    ),
    (
        "deployment unavailable",
        deployment(availableReplicas=2),
        *("InProgress", "LessAvailable", "2 of 3 replicas available"),
    ),
    ("deployment not ready", deployment(readyReplicas=0), "InProgress", "LessReady", "0 of 3 replicas ready"),
    (
        "deployment rolling",
        deployment([cond("Progressing", reason="ReplicaSetUpdated"), cond("Available")]),
        *("InProgress", "ReplicaSetNotAvailable", "the new ReplicaSet is not available yet"),
    ),
    (
        "deployment condition missing",
        deployment([cond("Progressing", reason="NewReplicaSetAvailable")]),
        *("InProgress", "DeploymentNotAvailable", "condition Available is not True yet"),
    ),
    (
        "deployment deadline",
        deployment([cond("Progressing", "False", "ProgressDeadlineExceeded")], availableReplicas=1),
        *("Failed", "ProgressDeadlineExceeded"),
        "made no progress for 600 s (ProgressDeadlineExceeded): 1 of 3 replicas available",
    ),
    (
        "deployment without a deadline",
        obj("Deployment", spec={"replicas": 3}, status={**DEPLOYED, "conditions": [cond("Available")]}),
        *("Current", "Current", "3 of 3 replicas available"),
    ),
    ("deployment default", obj("Deployment"), "InProgress", "LessReplicas", "0 of 1 replicas created"),
    ("statefulset current", stateful_set(), "Current", "Current", "3 of 3 replicas ready"),
    ("statefulset too few", stateful_set(replicas=2), "InProgress", "LessReplicas", "2 of 3 replicas created"),
    ("statefulset not ready", stateful_set(readyReplicas=2), "InProgress", "LessReady", "2 of 3 replicas ready"),
    (
        "statefulset too many",
        stateful_set(replicas=5),
        *("InProgress", "ExtraPods", "2 old replicas pending termination"),
    ),
    (
        "statefulset not current",
        stateful_set(currentReplicas=1),
        *("InProgress", "LessCurrent", "1 of 3 replicas on the current revision"),
    ),
    (
        "statefulset revisions",
        stateful_set(updateRevision="b"),
        *("InProgress", "RevisionMismatch", "revision a is current, b is being rolled out"),
    ),
    (
        "statefulset partition",
        stateful_set(partition(1), updatedReplicas=1, updateRevision="b"),
        *("InProgress", "PartitionRollout", "1 of 2 replicas above the partition updated"),
    ),
    (
        "statefulset partition done",
        stateful_set(partition(1), updatedReplicas=2, updateRevision="b"),
        *("Current", "Current", "2 of 2 replicas above the partition updated"),
    ),
    (
        "statefulset OnDelete",
        stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=0),
        *("Current", "Current", "update strategy OnDelete: its Pods are replaced by hand"),
    ),
    ("daemonset current", daemon_set(), "Current", "Current", "2 of 2 replicas ready"),
    (
        "daemonset no generation",
        obj("DaemonSet", status=DAEMONS),
        *("InProgress", "NoGeneration", "metadata.generation is not set yet"),
    ),
    (
        "daemonset not observed",
        obj("DaemonSet", generation=1),
        *("InProgress", "NoObservedGeneration", "its controller has not observed it yet"),
    ),
    (
        "daemonset not counted",
        obj("DaemonSet", generation=1, status={"observedGeneration": 1}),
        *("InProgress", "NoDesiredNumber", "its controller has not counted the nodes yet"),
    ),
    (
        "daemonset unscheduled",
        daemon_set(currentNumberScheduled=1),
        *("InProgress", "LessCurrent", "1 of 2 replicas scheduled"),
    ),
    (
        "daemonset not updated",
        daemon_set(updatedNumberScheduled=0),
        *("InProgress", "LessUpdated", "0 of 2 replicas updated"),
    ),
    (
        "daemonset unavailable",
        daemon_set(numberAvailable=1),
        *("InProgress", "LessAvailable", "1 of 2 replicas available"),
    ),
    ("daemonset not ready", daemon_set(numberReady=1), "InProgress", "LessReady", "1 of 2 replicas ready"),
    ("replicaset current", replica_set(), "Current", "Current", "2 of 2 replicas available"),
    (
        "replicaset failure",
        replica_set(conditions=[cond("ReplicaFailure", message="exceeded quota")]),
        *("InProgress", "ReplicaFailure", "exceeded quota"),
    ),
    (
        "replicaset labelled",
        replica_set(fullyLabeledReplicas=1),
        *("InProgress", "LessLabelled", "1 of 2 replicas labelled"),
    ),
    (
        "replicaset available",
        replica_set(availableReplicas=1),
        *("InProgress", "LessAvailable", "1 of 2 replicas available"),
    ),
    ("replicaset ready", replica_set(readyReplicas=1), "InProgress", "LessReady", "1 of 2 replicas ready"),
    (
        "replicaset too many",
        replica_set(replicas=3),
        *("InProgress", "ExtraPods", "1 old replicas pending termination"),
    ),
)


@table(*ROWS)
def test_the_table(live: Any, status: str, reason: str, message: str) -> None:
    check(live, status, reason, message)
