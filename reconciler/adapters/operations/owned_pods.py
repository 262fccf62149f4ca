"""The Pods behind a workload, found by its selector and confirmed by the chain of owners.

Not all Pods of a namespace. Invariant: a Pod of another workload with the same labels is not taken for one of ours
unless the chain of owners cannot be read.
"""

from __future__ import annotations

from collections.abc import Sequence

from reconciler import errors
from reconciler.compute.fields import condition, dig, is_true, maps, strings, text
from reconciler.compute.order import ref_of, ref_words
from reconciler.ports.cluster import Cluster, Object, Scope

WORKLOADS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"})
_OPERATORS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


async def owned_pods(cluster: Cluster, objects: Sequence[Object], *, notes: list[str]) -> list[Object]:
    """The Pods of the workloads among `objects`, and the Pods among them; those in trouble first.

    What could not be read is told in `notes`.
    """
    found: dict[str, Object] = {}
    for obj in objects:
        try:
            pods = await _pods_of(cluster, obj)
        except errors.ClusterError as error:
            notes.append(f"the Pods of {ref_words(ref_of(obj))} could not be read: {error.message}")
            continue
        found |= {text(pod, "metadata", "uid"): pod for pod in pods}
    return sorted(found.values(), key=_calm)


async def _pods_of(cluster: Cluster, obj: Object) -> list[Object]:
    if text(obj, "kind") == "Pod":
        return [obj]
    selector = selector_of(obj)
    if text(obj, "kind") not in WORKLOADS or not selector:
        return []
    namespace = text(obj, "metadata", "namespace")
    listed = await cluster.list(Scope("v1", "Pod", namespace, label_selector=selector))
    owners = {text(obj, "metadata", "uid")}
    if text(obj, "kind") == "Deployment":
        owners |= await _replica_sets(cluster, namespace, selector=selector, of=owners)
    pods = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in listed.items]
    return [pod for pod in pods if _owned(pod, owners)]


async def _replica_sets(cluster: Cluster, namespace: str, *, selector: str, of: set[str]) -> set[str]:
    """UIDs of the ReplicaSets of a Deployment; of all that its selector matches where they cannot be read."""
    scope = Scope("apps/v1", "ReplicaSet", namespace, label_selector=selector, metadata_only=True)
    try:
        listed = await cluster.list(scope)
    except errors.Forbidden:
        return {""}
    return {text(item, "metadata", "uid") for item in listed.items if _owned(item, of)}


def _owned(obj: Object, uids: set[str]) -> bool:
    return "" in uids or any(text(owner, "uid") in uids for owner in maps(obj, "metadata", "ownerReferences"))


def selector_of(obj: Object) -> str:
    """`spec.selector` in kubectl's string form; empty where there is none."""
    parts = [f"{key}={value}" for key, value in sorted(strings(obj, "spec", "selector", "matchLabels").items())]
    for expression in maps(obj, "spec", "selector", "matchExpressions"):
        pattern = _OPERATORS.get(text(expression, "operator"))
        values = dig(expression, "values")
        listed = ",".join(v for v in values if isinstance(v, str)) if isinstance(values, list) else ""
        if pattern is not None and text(expression, "key"):
            parts.append(pattern.format(key=text(expression, "key"), values=listed))
    return ",".join(parts)


def _calm(pod: Object) -> tuple[bool, str]:
    """Sorts Pods that are ready or done behind the others."""
    fine = text(pod, "status", "phase") == "Succeeded" or is_true(condition(pod, "Ready"))
    return fine, text(pod, "metadata", "name")
