"""What the API server sets itself on create and update, kind by kind: identity, generation, status, addresses.

Not validation. Objects given are never changed; those returned may share parts with them.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.typed import same
from reconciler.adapters.memory.world import World

Object = dict[str, Any]

#: Built-in kinds without `metadata.generation`.
_NO_GENERATION = frozenset(
    {
        "Namespace", "Node", "PersistentVolume", "ConfigMap", "Secret", "Service", "ServiceAccount", "Event",
        "Endpoints", "PersistentVolumeClaim", "LimitRange", "ResourceQuota", "Lease", "Role", "RoleBinding",
        "StorageClass", "ClusterRole", "ClusterRoleBinding", "HorizontalPodAutoscaler",
    }
)  # fmt: skip
PROTECTION = "kubernetes.io/pvc-protection"
#: What the status of a new object says already.
_EMPTY_STATUS: dict[str, Object] = {
    "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    "ReplicaSet": {"replicas": 0},
    "ReplicationController": {"replicas": 0},
    "DaemonSet": {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
    },
}  # fmt: skip
_SERVER_SET = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def tidy(obj: Object) -> Object:
    """Without nulls and empty maps in metadata: Go drops them."""
    meta = obj.get("metadata") or {}
    dropped = [
        k
        for k, v in meta.items()
        if v is None or (v in ({}, []) and k in ("labels", "annotations", "finalizers", "ownerReferences"))
    ]
    if not dropped and "creationTimestamp" not in meta:
        return obj
    kept = {k: v for k, v in meta.items() if k not in dropped}
    return {**obj, "metadata": kept}


def has_generation(kind: Kind) -> bool:
    return not (kind.type_name and kind.kind in _NO_GENERATION)


def holds(kind: Kind, obj: Object) -> bool:
    """Whether something besides finalizers in the metadata keeps the object: a namespace's own."""
    return bool(kind.type_name and kind.kind == "Namespace" and (obj.get("spec") or {}).get("finalizers"))


def prepare_create(world: World, kind: Kind, *, obj: Object) -> Object:
    """A new object with its identity, generation 1 and without what its creator may not set."""
    meta = {
        k: v
        for k, v in obj["metadata"].items()
        if k not in (*_SERVER_SET, "managedFields", "resourceVersion", "selfLink")
    }
    meta |= {"uid": world.new_uid(), "creationTimestamp": world.time_text()}
    if has_generation(kind):
        meta["generation"] = 1
    kept = {k: v for k, v in obj.items() if k != "status" or not kind.has_status}
    empty = {"status": _EMPTY_STATUS.get(kind.kind, {})} if kind.type_name and kind.has_status else {}
    created = {**kept, "metadata": meta, **empty}
    special = _ON_CREATE.get(kind.kind) if kind.type_name else None
    return special(world, created) if special else created


def _namespace(world: World, obj: Object) -> Object:
    meta = obj["metadata"]
    labels = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    return {
        **obj,
        "metadata": {**meta, "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def _service(world: World, obj: Object) -> Object:
    spec = obj.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return obj
    address = spec.get("clusterIP") or _address(world)
    spec = {
        **spec, "clusterIP": address, "clusterIPs": spec.get("clusterIPs") or [address],
        "ipFamilies": spec.get("ipFamilies") or ["IPv4"], "ipFamilyPolicy": spec.get("ipFamilyPolicy") or "SingleStack",
    }  # fmt: skip
    return {**obj, "spec": spec, "status": {"loadBalancer": {}}}


def _address(world: World) -> str:
    number = world.count() % 65_000 + 10
    return f"10.96.{number // 250}.{number % 250 + 1}"


def _job(world: World, obj: Object) -> Object:
    spec = obj["spec"]
    if spec.get("manualSelector"):
        return obj
    uid, name = obj["metadata"]["uid"], obj["metadata"]["name"]
    own = {
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
        "controller-uid": uid, "job-name": name,
    }  # fmt: skip
    template = spec.get("template") or {}
    template_meta = template.get("metadata") or {}
    labels = {**(template_meta.get("labels") or {}), **own}
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    template = {**template, "metadata": {**template_meta, "labels": labels}}
    meta = obj["metadata"]
    return {
        **obj,
        "metadata": {**meta, "labels": meta.get("labels") or labels},
        "spec": {**spec, "selector": selector, "template": template},
    }


def _pod(world: World, obj: Object) -> Object:
    return {**obj, "status": {"phase": "Pending", "qosClass": "BestEffort"}}


def _claim(world: World, obj: Object) -> Object:
    """A claim in use must not go: its finalizer is taken off once no Pod uses it."""
    meta = obj["metadata"]
    finalizers = list(dict.fromkeys([*(meta.get("finalizers") or ()), PROTECTION]))
    return {**obj, "metadata": {**meta, "finalizers": finalizers}, "status": {"phase": "Pending"}}


_ON_CREATE = {
    "Namespace": _namespace,
    "Service": _service,
    "Job": _job,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
}


def confine(kind: Kind, old: Object, *, new: Object, subresource: str) -> Object:
    """Of an update only what its place may change: `status` through the sub-resource, the rest through the object."""
    if subresource == "status":
        kept = {k: v for k, v in old.items() if k != "status"}
        return {**kept, "status": new["status"]} if "status" in new else kept
    if kind.has_status:
        kept = {k: v for k, v in new.items() if k != "status"}
        return {**kept, "status": old["status"]} if "status" in old else kept
    return new


def prepare_update(kind: Kind, old: Object, *, new: Object) -> Object:
    """The new object with the identity of the old one, what the server keeps, and its generation."""
    before = old["metadata"]
    meta = {k: v for k, v in new["metadata"].items() if k not in (*_SERVER_SET, "resourceVersion")}
    meta |= {k: before[k] for k in _SERVER_SET if k in before}
    new = {**new, "metadata": meta}
    if kind.type_name:
        new = _keep_server_fields(kind, old, new=new)
    if "generation" in before and _intent_changed(kind, old, new=new):
        meta["generation"] = before["generation"] + 1
    return new


def _keep_server_fields(kind: Kind, old: Object, *, new: Object) -> Object:
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if kind.kind == "Service" and spec.get("type") != "ExternalName":
        return {**new, "spec": _addresses(spec, before)}
    if kind.kind == "Namespace":
        labels = {**(new["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": new["metadata"]["name"]}
        new["metadata"]["labels"] = labels
        return {**new, "spec": old.get("spec", {})}
    if kind.kind == "PersistentVolumeClaim" and before.get("volumeName") and not spec.get("volumeName"):
        return {**new, "spec": {**spec, "volumeName": before["volumeName"]}}
    return new


def _addresses(spec: Object, before: Object) -> Object:
    """A Service keeps its addresses; a changed `clusterIP` is also the first of `clusterIPs`."""
    if not spec.get("clusterIP"):
        names = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
        return {**spec, **{name: before[name] for name in names if name in before}}
    if spec["clusterIP"] != before.get("clusterIP") and spec.get("clusterIPs") == before.get("clusterIPs"):
        return {**spec, "clusterIPs": [spec["clusterIP"]]}
    return spec


def _intent_changed(kind: Kind, old: Object, *, new: Object) -> bool:
    if kind.type_name and "spec" in new:
        if kind.kind == "Deployment" and not same(
            old["metadata"].get("annotations"), new["metadata"].get("annotations")
        ):
            return True
        return not same(old.get("spec"), new.get("spec"))
    skipped = ("metadata", "status") if kind.has_status else ("metadata",)
    return not same(
        {k: v for k, v in old.items() if k not in skipped}, {k: v for k, v in new.items() if k not in skipped}
    )
