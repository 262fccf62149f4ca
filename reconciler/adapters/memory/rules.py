"""Validation of built-in kinds: what must be there, what must match, what cannot change.

Pure. The rules that deliveries meet in practice, in the words of `k8s.io/kubernetes/pkg/apis/*/validation`; where the
API prints internal structs as bad values, the object's JSON is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from reconciler.adapters.memory import quantity, selectors
from reconciler.adapters.memory.status import Cause, forbidden, invalid, required
from reconciler.adapters.memory.typed import same
from reconciler.adapters.memory.validation import _encode

Object = dict[str, Any]
IMMUTABLE = "field is immutable"


def _json(value: Any) -> str:
    return _encode(value).decode()


def _get(obj: Any, *path: str) -> Any:
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj


def _containers(spec: Any, path: str) -> Iterator[Cause]:
    containers = _get(spec, "containers")
    if not containers:
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for number, container in enumerate(containers or ()):
        at = f"{path}.containers[{number}]"
        name = container.get("name", "")
        if not name:
            yield required(f"{at}.name")
        elif name in seen:
            yield Cause("FieldValueDuplicate", f"{at}.name", f'Duplicate value: "{name}"')
        seen.add(name)
        if not container.get("image"):
            yield required(f"{at}.image")
        yield from _one_of(
            container.get("imagePullPolicy"), ("Always", "IfNotPresent", "Never"), f"{at}.imagePullPolicy"
        )
        yield from _resources(container.get("resources") or {}, f"{at}.resources.requests")


def _one_of(value: Any, allowed: tuple[str, ...], path: str) -> Iterator[Cause]:
    if value and value not in allowed:
        shown = ", ".join(map(_json, allowed))
        yield Cause("FieldValueNotSupported", path, f"Unsupported value: {_json(value)}: supported values: {shown}")


def _resources(resources: Object, path: str) -> Iterator[Cause]:
    limits = resources.get("limits") or {}
    for name, text in (resources.get("requests") or {}).items():
        wanted, limit = quantity.value(text), quantity.value(limits.get(name, ""))
        if wanted is not None and limit is not None and wanted > limit:
            yield invalid(path, f'"{text}"', message=f"must be less than or equal to {name} limit of {limits[name]}")


def _template(obj: Object) -> Iterator[Cause]:
    selector, template = _get(obj, "spec", "selector"), _get(obj, "spec", "template") or {}
    labels = _get(template, "metadata", "labels") or {}
    if not selector:
        yield required("spec.selector")
    if not selector or not selectors.of_selector(selector)({"metadata": {"labels": labels}}):
        yield invalid(
            "spec.template.metadata.labels",
            _json(labels or None),
            message="`selector` does not match template `labels`",
        )
    yield from _containers(template.get("spec"), "spec.template.spec")
    policy, at = _get(template, "spec", "restartPolicy"), "spec.template.spec.restartPolicy"
    yield from _one_of(policy, ("Always", "OnFailure", "Never"), at)
    # Once as that of any Pod, once as that of one that has to go on.
    yield from _one_of(policy, ("Always",), at)


def _job(obj: Object) -> Iterator[Cause]:
    template = _get(obj, "spec", "template", "spec") or {}
    policy = template.get("restartPolicy", "")
    if not policy:
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield Cause(
            "FieldValueNotSupported", "spec.template.spec.restartPolicy",
            f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"',
        )  # fmt: skip
    yield from _containers(template, "spec.template.spec")


def _service(obj: Object) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    for number, port in enumerate(spec.get("ports") or ()):
        if not 1 <= port.get("port", 0) <= 65535:
            yield invalid(
                f"spec.ports[{number}].port", str(port.get("port", 0)), message="must be between 1 and 65535, inclusive"
            )


def _config(obj: Object) -> Iterator[Cause]:
    import re

    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
                yield invalid(
                    f"{field}[{key}]", f'"{key}"',
                    message="a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                )  # fmt: skip


def _claim(obj: Object) -> Iterator[Cause]:
    if not _get(obj, "spec", "accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    if not _get(obj, "spec", "resources", "requests", "storage"):
        yield required("spec.resources[storage]")


def _role_ref(obj: Object) -> Iterator[Cause]:
    if not _get(obj, "roleRef", "name"):
        yield required("roleRef.name")


_WITH_TEMPLATE = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_CHECKS: dict[str, Callable[[Object], Iterator[Cause]]] = {
    **dict.fromkeys(_WITH_TEMPLATE, _template),
    "Job": _job,
    "Pod": lambda obj: _containers(obj.get("spec"), "spec"),
    "Service": _service,
    "ConfigMap": _config,
    "Secret": _config,
    "PersistentVolumeClaim": _claim,
    "RoleBinding": _role_ref,
    "ClusterRoleBinding": _role_ref,
}


def check(kind: str, obj: Object) -> list[Cause]:
    """What is wrong with an object of a built-in kind."""
    found = _CHECKS.get(kind)
    return list(found(obj)) if found else []


def _unchanged(*paths: str) -> Callable[[Object, Object], Iterator[Cause]]:
    def compare(old: Object, new: Object) -> Iterator[Cause]:
        for path in paths:
            before, after = _get(old, *path.split(".")), _get(new, *path.split("."))
            if not same(before, after):
                yield invalid(path, _json(after), message=IMMUTABLE)

    return compare


def _service_update(old: Object, new: Object) -> Iterator[Cause]:
    before, after = _get(old, "spec", "clusterIP"), _get(new, "spec", "clusterIP")
    kept = "ExternalName" not in (_get(old, "spec", "type"), _get(new, "spec", "type"))
    if kept and before and before != after:
        yield invalid("spec.clusterIPs[0]", _json(_get(new, "spec", "clusterIPs")), message="may not change once set")


def _claim_update(old: Object, new: Object) -> Iterator[Cause]:
    def frozen(obj: Object) -> Object:
        spec = {**(obj.get("spec") or {})}
        if _get(old, "status", "phase") == "Bound":
            spec["resources"] = {**(spec.get("resources") or {}), "requests": None}
            spec.pop("volumeAttributesClassName", None)
        return spec if _get(old, "spec", "volumeName") else {k: v for k, v in spec.items() if k != "volumeName"}

    if not same(frozen(old), frozen(new)):
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", text)


def _sealed(old: Object, new: Object) -> Iterator[Cause]:
    if old.get("immutable"):
        for field in ("immutable", "data", "binaryData"):
            if not same(old.get(field), new.get(field)):
                yield forbidden(field, "field is immutable when `immutable` is set")


def _secret_update(old: Object, new: Object) -> Iterator[Cause]:
    yield from _unchanged("type")(old, new)
    yield from _sealed(old, new)


def _pod_update(old: Object, new: Object) -> Iterator[Cause]:
    def frozen(obj: Object) -> Object:
        spec = {**(obj.get("spec") or {})}
        for name in ("containers", "initContainers"):
            spec[name] = [{**item, "image": ""} for item in spec.get(name) or ()]
        return {
            k: v
            for k, v in spec.items()
            if k not in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")
        }

    if not same(frozen(old), frozen(new)):
        yield forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
            "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        )


def _job_update(old: Object, new: Object) -> Iterator[Cause]:
    if _get(new, "spec", "completionMode") != "Indexed":
        yield from _unchanged("spec.completions")(old, new)
    yield from _unchanged("spec.selector", "spec.completionMode", "spec.podFailurePolicy")(old, new)
    if not (_get(old, "spec", "suspend") and not _get(old, "status", "startTime")):
        yield from _unchanged("spec.template")(old, new)


_UPDATES: dict[str, Callable[[Object, Object], Iterator[Cause]]] = {
    "Deployment": _unchanged("spec.selector"),
    "DaemonSet": _unchanged("spec.selector"),
    "ReplicaSet": _unchanged("spec.selector"),
    "StatefulSet": _unchanged(
        "spec.selector", "spec.volumeClaimTemplates", "spec.serviceName", "spec.podManagementPolicy"
    ),
    "Job": _job_update,
    "Pod": _pod_update,
    "Service": _service_update,
    "ConfigMap": _sealed,
    "Secret": _secret_update,
    "PersistentVolumeClaim": _claim_update,
    "RoleBinding": _unchanged("roleRef"),
    "ClusterRoleBinding": _unchanged("roleRef"),
    "StorageClass": _unchanged("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
    "PriorityClass": _unchanged("value", "preemptionPolicy"),
    "IngressClass": _unchanged("spec.controller"),
    "CustomResourceDefinition": _unchanged("spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"),
}


def check_update(kind: str, old: Object, *, new: Object) -> list[Cause]:
    """What of a built-in object must not change as it did."""
    found = _UPDATES.get(kind)
    return list(found(old, new)) if found else []
