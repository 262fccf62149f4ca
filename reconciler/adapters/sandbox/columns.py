"""The columns that `kubectl get` shows of built-in kinds, beside name and age.

Pure. Source: `pkg/printers/internalversion/printers.go`; the columns that people look at, without the wide ones except
where given (priority 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
#: Name, cell, priority (1: only with `-o wide`).
Cell = tuple[str, Callable[[Object], Any], int]


def _get(obj: Any, *path: str, default: Any = "") -> Any:
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return default if obj is None else obj


def _count(*path: str) -> Callable[[Object], int]:
    return lambda obj: int(_get(obj, *path, default=0))


def _ready_replicas(obj: Object) -> str:
    return f"{_get(obj, 'status', 'readyReplicas', default=0)}/{_get(obj, 'spec', 'replicas', default=0)}"


def _pod_ready(obj: Object) -> str:
    states = _get(obj, "status", "containerStatuses", default=[])
    return f"{sum(1 for state in states if state.get('ready'))}/{len(_get(obj, 'spec', 'containers', default=[]))}"


def _pod_status(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for state in _get(obj, "status", "containerStatuses", default=[]):
        for word in ("waiting", "terminated"):
            if reason := _get(state, "state", word, "reason"):
                return str(reason)
    return str(_get(obj, "status", "phase"))


def _restarts(obj: Object) -> str:
    return str(sum(state.get("restartCount", 0) for state in _get(obj, "status", "containerStatuses", default=[])))


def _job_status(obj: Object) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for item in _get(obj, "status", "conditions", default=[]):
        if item["type"] in ("Complete", "Failed", "Suspended") and item["status"] == "True":
            return str(item["type"])
    return "Running"


def _ports(obj: Object) -> str:
    return (
        ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in _get(obj, "spec", "ports", default=[]))
        or "<none>"
    )


def _external(obj: Object) -> str:
    ingress = _get(obj, "status", "loadBalancer", "ingress", default=[])
    waiting = "<pending>" if _get(obj, "spec", "type") == "LoadBalancer" else "<none>"
    return ",".join(item.get("ip") or item.get("hostname", "") for item in ingress) or waiting


def _role(obj: Object) -> str:
    return f"{_get(obj, 'roleRef', 'kind')}/{_get(obj, 'roleRef', 'name')}"


def _about(obj: Object) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


_WORKLOAD: tuple[Cell, ...] = (
    ("Ready", _ready_replicas, 0),
    ("Up-to-date", _count("status", "updatedReplicas"), 0),
    ("Available", _count("status", "availableReplicas"), 0),
)

BUILTIN: dict[str, tuple[Cell, ...]] = {
    "Namespace": (("Status", lambda obj: _get(obj, "status", "phase"), 0),),
    "Deployment": _WORKLOAD,
    "StatefulSet": _WORKLOAD[:1],
    "ReplicaSet": (
        ("Desired", _count("spec", "replicas"), 0),
        ("Current", _count("status", "replicas"), 0),
        ("Ready", _count("status", "readyReplicas"), 0),
    ),
    "DaemonSet": (
        ("Desired", _count("status", "desiredNumberScheduled"), 0),
        ("Current", _count("status", "currentNumberScheduled"), 0),
        ("Ready", _count("status", "numberReady"), 0),
        ("Up-to-date", _count("status", "updatedNumberScheduled"), 0),
        ("Available", _count("status", "numberAvailable"), 0),
    ),
    "Pod": (("Ready", _pod_ready, 0), ("Status", _pod_status, 0), ("Restarts", _restarts, 0)),
    "Job": (
        ("Status", _job_status, 0),
        (
            "Completions",
            lambda obj: f"{_get(obj, 'status', 'succeeded', default=0)}/{_get(obj, 'spec', 'completions', default=1)}",
            0,
        ),
    ),
    "CronJob": (
        ("Schedule", lambda obj: _get(obj, "spec", "schedule"), 0),
        ("Suspend", lambda obj: str(bool(_get(obj, "spec", "suspend", default=False))), 0),
    ),
    "Service": (
        ("Type", lambda obj: _get(obj, "spec", "type"), 0),
        ("Cluster-IP", lambda obj: _get(obj, "spec", "clusterIP", default="<none>"), 0),
        ("External-IP", _external, 0),
        ("Port(s)", _ports, 0),
    ),
    "ConfigMap": (("Data", lambda obj: str(len(obj.get("data") or {}) + len(obj.get("binaryData") or {})), 0),),
    "Secret": (("Type", lambda obj: obj.get("type", ""), 0), ("Data", lambda obj: str(len(obj.get("data") or {})), 0)),
    "ServiceAccount": (("Secrets", lambda obj: str(len(obj.get("secrets") or ())), 0),),
    "PersistentVolumeClaim": (
        ("Status", lambda obj: _get(obj, "status", "phase"), 0),
        ("Volume", lambda obj: _get(obj, "spec", "volumeName"), 0),
        ("Capacity", lambda obj: _get(obj, "status", "capacity", "storage"), 0),
    ),
    "RoleBinding": (("Role", _role, 0),),
    "ClusterRoleBinding": (("Role", _role, 0),),
    "CustomResourceDefinition": (("Created At", lambda obj: obj["metadata"]["creationTimestamp"], 0),),
    "Lease": (("Holder", lambda obj: _get(obj, "spec", "holderIdentity"), 0),),
    "Event": (
        ("Type", lambda obj: obj.get("type", ""), 0),
        ("Reason", lambda obj: obj.get("reason", ""), 0),
        ("Object", _about, 0),
        ("Message", lambda obj: str(obj.get("message") or obj.get("note") or "").strip(), 0),
    ),
}
