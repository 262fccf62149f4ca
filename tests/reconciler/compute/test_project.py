from __future__ import annotations

import json
from typing import Any

from reconciler.compute.project import CONDITIONS_MAX, CONTAINERS_MAX, TEXT_CHARS_MAX, projected

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "managedFields": [{"manager": "kubelet"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "topsecret"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "ru", "controller": True}],
    },
    "spec": {"containers": [{"name": "app", "env": [{"name": "P", "value": "topsecret"}], "args": ["topsecret"]}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "app",
                "restartCount": 4,
                "ready": False,
                "image": "app:1",
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "containerID": "x"}},
            }
        ],
    },
}


def test_a_pod_keeps_its_containers_states_and_nothing_of_its_environment() -> None:
    kept = projected(POD)
    assert kept["status"]["containerStatuses"] == [
        {
            "name": "app",
            "ready": False,
            "restartCount": 4,
            "image": "app:1",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }
    ]
    assert kept["metadata"]["ownerReferences"] == [{"kind": "ReplicaSet", "name": "r", "uid": "ru"}]
    assert "topsecret" not in json.dumps(kept)
    assert "managedFields" not in kept["metadata"]


def test_of_a_secret_and_a_config_map_only_metadata_is_kept() -> None:
    for kind in ("Secret", "ConfigMap"):
        made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "s"}, "data": {"a": "b"}, "type": "Opaque"}
        assert projected(made) == {"apiVersion": "v1", "kind": kind, "metadata": {"name": "s"}}


def test_everything_is_bounded_and_what_decides_is_kept() -> None:
    conditions = [{"type": f"C{i}", "status": "True", "message": "m" * 5000} for i in range(100)]
    conditions.append({"type": "Ready", "status": "False"})
    containers = [{"name": f"c{i}"} for i in range(100)]
    containers.append({"name": "bad", "state": {"waiting": {"reason": "CrashLoopBackOff"}}})
    status = {"conditions": conditions, "containerStatuses": containers}
    kept = projected({"apiVersion": "e/v1", "kind": "W", "metadata": {}, "status": status})["status"]
    assert len(kept["conditions"]) == CONDITIONS_MAX
    assert kept["conditions"][0]["type"] == "Ready"
    assert len(kept["conditions"][1]["message"]) == TEXT_CHARS_MAX
    assert len(kept["containerStatuses"]) == CONTAINERS_MAX
    assert kept["containerStatuses"][0]["name"] == "bad"


def test_odd_values_are_left_out() -> None:
    odd = {"metadata": {"name": 7, "uid": ["x"], "generation": 2.0}, "spec": {"replicas": "3"}, "status": "broken"}
    assert projected(odd) == {
        "apiVersion": "",
        "kind": "",
        "metadata": {"name": 7, "generation": 2},
        "spec": {"replicas": "3"},
    }
