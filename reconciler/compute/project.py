"""A live object reduced to the few fields that decisions and messages read, before it is recorded.

Not a view for people: it keeps what `kstatus` and the messages look at, bounded. Invariants: readiness judged on the
projection is readiness judged on the object; no managedFields, nothing of a Secret or ConfigMap but its metadata, no
container environment, ever.
"""

from __future__ import annotations

from typing import Any

from reconciler.compute.fields import cut, dig, group_of, mapping, maps, text, whole
from reconciler.ports.cluster import Object

CONDITIONS_MAX = 16
CONTAINERS_MAX = 16
TEXT_CHARS_MAX = 512

_METADATA = ("name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_SPEC = ("replicas", "parallelism", "completions", "suspend", "progressDeadlineSeconds", "backoffLimit")
_STATUS = (
    *("observedGeneration", "phase", "reason", "startTime"),
    *("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"),
    *("currentReplicas", "fullyLabeledReplicas", "currentRevision", "updateRevision"),
    *("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"),
    *("active", "succeeded", "failed"),
)
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime", "observedGeneration")
#: Conditions that decide readiness: these are kept when there are too many.
_DECISIVE = (
    *("Ready", "Reconciling", "Stalled", "Progressing", "Available", "ReplicaFailure", "Complete", "Failed"),
    *("Suspended", "PodScheduled", "Established", "NamesAccepted"),
)
_CONTAINER = ("name", "ready", "restartCount", "image")
_CONTAINER_STATE = ("reason", "message", "exitCode", "signal", "startedAt", "finishedAt")
_SILENT = frozenset({("", "Secret"), ("", "ConfigMap")})


def projected(obj: Any) -> Object:
    """The part of `obj` that may be recorded. Free text in it is cut to `TEXT_CHARS_MAX` characters."""
    api_version, kind = text(obj, "apiVersion"), text(obj, "kind")
    head: Object = {"apiVersion": api_version, "kind": kind, "metadata": _metadata(obj)}
    if (group_of(api_version), kind) in _SILENT:
        return head
    return head | _without_empty({"spec": _spec(obj), "status": _status(obj)})


def conditions_of(obj: Any) -> list[dict[str, Any]]:
    """The conditions of `obj`, bounded in number and length; the ones that decide readiness come first."""
    found = maps(obj, "status", "conditions")
    if len(found) > CONDITIONS_MAX:
        found.sort(key=lambda c: c.get("type") not in _DECISIVE)
    return [_scalars(condition, _CONDITION) for condition in found[:CONDITIONS_MAX]]


def containers_of(pod: Any, *, init: bool) -> list[dict[str, Any]]:
    """Name, readiness, restarts and state of a Pod's containers, those that crash first. No environment."""
    found = maps(pod, "status", "initContainerStatuses" if init else "containerStatuses")
    if len(found) > CONTAINERS_MAX:
        found.sort(key=lambda status: text(status, "state", "waiting", "reason") != "CrashLoopBackOff")
    return [_container(status) for status in found[:CONTAINERS_MAX]]


def _container(status: dict[str, Any]) -> dict[str, Any]:
    moments = {moment: _state(mapping(status, moment)) for moment in ("state", "lastState")}
    return _scalars(status, _CONTAINER) | _without_empty(moments)


def _state(state: dict[str, Any]) -> dict[str, Any]:
    return {
        phase: _scalars(details, _CONTAINER_STATE)
        for phase, details in state.items()
        if phase in ("waiting", "running", "terminated")
    }


def _metadata(obj: Any) -> dict[str, Any]:
    owners = [_scalars(owner, ("kind", "name", "uid")) for owner in maps(obj, "metadata", "ownerReferences")[:4]]
    finalizers = dig(obj, "metadata", "finalizers")
    names = [cut(f, 128) for f in finalizers if isinstance(f, str)][:8] if isinstance(finalizers, list) else []
    kept = _scalars(mapping(obj, "metadata"), _METADATA)
    return kept | _without_empty({"ownerReferences": owners, "finalizers": names})


def _spec(obj: Any) -> dict[str, Any]:
    kept = _scalars(mapping(obj, "spec"), _SPEC)
    strategy = text(obj, "spec", "updateStrategy", "type")
    partition = whole(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    rolling = {} if partition is None else {"rollingUpdate": {"partition": partition}}
    update = ({"type": cut(strategy, 32)} if strategy else {}) | rolling
    service = _scalars(mapping(obj, "spec"), ("type", "clusterIP")) if text(obj, "kind") == "Service" else {}
    return kept | service | _without_empty({"updateStrategy": update})


def _status(obj: Any) -> dict[str, Any]:
    parts = {
        "conditions": conditions_of(obj),
        "initContainerStatuses": containers_of(obj, init=True),
        "containerStatuses": containers_of(obj, init=False),
    }
    return _scalars(mapping(obj, "status"), _STATUS) | _without_empty(parts)


def _scalars(source: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """The named strings, booleans and whole numbers of `source`."""
    kept: dict[str, Any] = {}
    for key in keys:
        value = dig(source, key)
        if isinstance(value, str):
            kept[key] = cut(value, TEXT_CHARS_MAX)
        elif isinstance(value, bool):
            kept[key] = value
        elif (number := whole(value)) is not None:
            kept[key] = number
    return kept


def _without_empty(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if value}
