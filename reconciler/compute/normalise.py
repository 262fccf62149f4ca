"""The defaults and removals that make a rendered object comparable with what the API server stores.

Rules of Flux's server-side apply (`fluxcd/pkg/ssa/normalize`): default port protocol, `stringData` folded into
`data`, no `status`, no `creationTimestamp`. Not defaulting in general. Invariant: the object given is not changed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

_POD_TEMPLATES: dict[tuple[str, str], tuple[str, ...]] = {
    ("v1", "Pod"): ("spec",),
    ("v1", "ReplicationController"): ("spec", "template", "spec"),
    ("apps/v1", "Deployment"): ("spec", "template", "spec"),
    ("apps/v1", "StatefulSet"): ("spec", "template", "spec"),
    ("apps/v1", "DaemonSet"): ("spec", "template", "spec"),
    ("apps/v1", "ReplicaSet"): ("spec", "template", "spec"),
    ("batch/v1", "Job"): ("spec", "template", "spec"),
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
_CONTAINERS = ("containers", "initContainers")


def normalise(obj: dict[str, Any]) -> dict[str, Any]:
    """The object as it is applied; parts that change are copied, the rest is shared."""
    result = dict(obj)
    if result["kind"] != "CustomResourceDefinition":
        result.pop("status", None)
    if "creationTimestamp" in result["metadata"]:
        result["metadata"] = {k: v for k, v in result["metadata"].items() if k != "creationTimestamp"}
    kind = (result["apiVersion"], result["kind"])
    if kind == ("v1", "Secret"):
        return _fold_string_data(result)
    if kind == ("v1", "Service"):
        return _replaced(result, ("spec",), _with_protocols)
    if path := _POD_TEMPLATES.get(kind):
        return _replaced(result, path, _pod_spec)
    return result


def _replaced(value: dict[str, Any], path: tuple[str, ...], change: Any) -> dict[str, Any]:
    """A copy with `change` applied at the path; the same value where the path leads nowhere."""
    if not path:
        return dict(change(value))
    inner = value.get(path[0])
    return {**value, path[0]: _replaced(inner, path[1:], change)} if isinstance(inner, dict) else value


def _pod_spec(spec: dict[str, Any]) -> dict[str, Any]:
    changed = dict(spec)
    for field in _CONTAINERS:
        if isinstance(spec.get(field), list):
            changed[field] = [_with_protocols(c) if isinstance(c, dict) else c for c in spec[field]]
    return changed


def _with_protocols(holder: dict[str, Any]) -> dict[str, Any]:
    ports = holder.get("ports")
    return {**holder, "ports": list(_protocols(ports))} if isinstance(ports, list) else holder


def _protocols(ports: list[Any]) -> Iterator[Any]:
    for port in ports:
        yield {**port, "protocol": "TCP"} if isinstance(port, dict) and not port.get("protocol") else port


def _fold_string_data(obj: dict[str, Any]) -> dict[str, Any]:
    """`stringData` wins over `data`, as on the API server. What is no mapping of strings is left for it to refuse."""
    extra, data = obj.get("stringData"), obj.get("data") or {}
    if (
        not isinstance(extra, dict)
        or not isinstance(data, dict)
        or not all(isinstance(value, str) for value in extra.values())
    ):
        return obj
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in extra.items()}
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return {**rest, "data": {**data, **encoded}}
