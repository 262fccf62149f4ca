"""Defaults that the API server fills into built-in objects on decoding.

Pure. The fields that clients and controllers read; not the whole of `zz_generated.defaults.go`. Each function returns
an object that shares structure with its argument and never changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Object = dict[str, Any]


def _under(value: Any, defaults: Object) -> Object:
    """`defaults` where `value` says nothing, recursively."""
    base: Object = value if isinstance(value, dict) else {}
    result = base
    for name, default in defaults.items():
        if isinstance(default, dict) and default:
            filled: Any = _under(base.get(name), default)
        else:
            filled = base.get(name, default)
        if filled is not base.get(name):
            result = {**result, name: filled}
    return result


def _image_policy(image: str) -> str:
    tag = image.rsplit("/", 1)[-1]
    return "Always" if "@" not in tag and (":" not in tag or tag.endswith(":latest")) else "IfNotPresent"


def _port(port: Object) -> Object:
    return _under(port, {"protocol": "TCP"})


def _container(container: Any) -> Any:
    if not isinstance(container, dict):
        return container
    filled = _under(
        container,
        {
            "imagePullPolicy": _image_policy(str(container.get("image", ""))), "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        },
    )  # fmt: skip
    if isinstance(filled.get("ports"), list):
        filled = {**filled, "ports": [_port(port) if isinstance(port, dict) else port for port in filled["ports"]]}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in filled:
            filled = {**filled, probe: _probe(filled[probe])}
    return filled


def _probe(probe: Any) -> Object:
    filled = _under(probe, {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
    return _under(filled, {"httpGet": {"scheme": "HTTP"}}) if "httpGet" in filled else filled


def pod_spec(spec: Any, *, restart: str = "Always") -> Object:
    """A pod's spec with its defaults."""
    filled = _under(
        spec,
        {
            "restartPolicy": restart, "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
            "terminationGracePeriodSeconds": 30, "securityContext": {},
        },
    )  # fmt: skip
    for name in ("containers", "initContainers"):
        if isinstance(filled.get(name), list):
            filled = {**filled, name: [_container(item) for item in filled[name]]}
    if isinstance(filled.get("volumes"), list):
        filled = {**filled, "volumes": [_volume(volume) for volume in filled["volumes"]]}
    if "serviceAccountName" in filled and "serviceAccount" not in filled:
        filled = {**filled, "serviceAccount": filled["serviceAccountName"]}
    return filled


def _volume(volume: Any) -> Any:
    for source in ("configMap", "secret", "projected"):
        if isinstance(volume, dict) and isinstance(volume.get(source), dict):
            return _under(volume, {source: {"defaultMode": 420}})
    return volume


def _templated(obj: Object, defaults: Object, *, restart: str = "Always") -> Object:
    spec = _under(obj.get("spec"), {**defaults, "template": {"metadata": {}}})
    template = {**spec["template"], "spec": pod_spec(spec["template"].get("spec"), restart=restart)}
    return {**obj, "spec": {**spec, "template": template}}


_ROLLING = {"type": "RollingUpdate"}


def _deployment(obj: Object) -> Object:
    strategy = (obj.get("spec") or {}).get("strategy") or {}
    rolling = {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    full = {**_ROLLING, **(rolling if strategy.get("type", "RollingUpdate") == "RollingUpdate" else {})}
    return _templated(
        obj, {"replicas": 1, "strategy": full, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    )


def _stateful_set(obj: Object) -> Object:
    update = {**_ROLLING, "rollingUpdate": {"partition": 0, "maxUnavailable": 1}}
    retention = {"whenDeleted": "Retain", "whenScaled": "Retain"}
    return _templated(
        obj,
        {
            "serviceName": "", "replicas": 1, "podManagementPolicy": "OrderedReady", "updateStrategy": update,
            "revisionHistoryLimit": 10, "persistentVolumeClaimRetentionPolicy": retention,
        },
    )  # fmt: skip


def _daemon_set(obj: Object) -> Object:
    update = {**_ROLLING, "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    return _templated(obj, {"updateStrategy": update, "revisionHistoryLimit": 10})


_JOB = {
    "backoffLimit": 6, "completions": 1, "parallelism": 1, "completionMode": "NonIndexed", "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed", "manualSelector": False,
}  # fmt: skip


def _job(obj: Object) -> Object:
    return _templated(obj, dict(_JOB.items()), restart="")


def _cron_job(obj: Object) -> Object:
    return {
        **obj,
        "spec": _under(
            obj.get("spec"),
            {
                "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 1,
            },
        ),
    }  # fmt: skip


def _service(obj: Object) -> Object:
    spec = _under(obj.get("spec"), {"type": "ClusterIP", "sessionAffinity": "None"})
    if spec["type"] != "ExternalName":
        spec = _under(spec, {"internalTrafficPolicy": "Cluster"})
    if spec["type"] in ("LoadBalancer", "NodePort"):
        spec = _under(spec, {"externalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        spec = _under(spec, {"allocateLoadBalancerNodePorts": True})
    ports = [
        _under(_port(port), {"targetPort": port.get("port")}) if isinstance(port, dict) else port
        for port in spec.get("ports") or ()
    ]
    return {**obj, "spec": {**spec, **({"ports": ports} if ports else {})}}


def _secret(obj: Object) -> Object:
    import base64

    filled = _under(obj, {"type": "Opaque"})
    if "stringData" in filled:
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in filled["stringData"].items()}
        filled = {**filled, "data": {**(filled.get("data") or {}), **encoded}}
        del filled["stringData"]
    return filled


def _binding(obj: Object) -> Object:
    def subject(item: Any) -> Any:
        if not isinstance(item, dict) or item.get("kind") == "ServiceAccount":
            return item
        return _under(item, {"apiGroup": "rbac.authorization.k8s.io"})

    filled = _under(obj, {"roleRef": {"apiGroup": "rbac.authorization.k8s.io"}})
    return {**filled, "subjects": [subject(item) for item in filled["subjects"]]} if filled.get("subjects") else filled


def _namespace(obj: Object) -> Object:
    name = obj["metadata"].get("name", "")
    return _under(obj, {"metadata": {"labels": {"kubernetes.io/metadata.name": name}}})


_BY_KIND: dict[str, Callable[[Object], Object]] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "ReplicaSet": lambda obj: _templated(obj, {"replicas": 1}),
    "ReplicationController": lambda obj: _templated(obj, {"replicas": 1}),
    "Job": _job,
    "CronJob": _cron_job,
    "Pod": lambda obj: {**obj, "spec": _under(pod_spec(obj.get("spec")), {"enableServiceLinks": True})},
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "PersistentVolumeClaim": lambda obj: {**obj, "spec": _under(obj.get("spec"), {"volumeMode": "Filesystem"})},
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "CustomResourceDefinition": lambda obj: {
        **obj,
        "spec": _under(obj.get("spec"), {"conversion": {"strategy": "None"}}),
    },
    "HorizontalPodAutoscaler": lambda obj: {**obj, "spec": _under(obj.get("spec"), {"minReplicas": 1})},
    "StorageClass": lambda obj: _under(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    "PriorityClass": lambda obj: _under(obj, {"preemptionPolicy": "PreemptLowerPriority"}),
}


def fill(kind: str, obj: Object) -> Object:
    """The object with the defaults of its built-in kind; other kinds as they are."""
    default = _BY_KIND.get(kind)
    return default(obj) if default else obj
