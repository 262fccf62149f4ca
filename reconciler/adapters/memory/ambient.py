"""Small controllers that people expect to be there: default service accounts, volume claims, load balancers.

A claim is bound and a load balancer gets an address as the behaviour says; with `never` they wait for ever.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import conditions, deletion, registry
from reconciler.adapters.memory.policy import Workloads
from reconciler.adapters.memory.request import Write
from reconciler.adapters.memory.store import Change, Location
from reconciler.adapters.memory.strategy import PROTECTION
from reconciler.adapters.memory.world import World

Object = dict[str, Any]
NAMESPACES, CLAIMS, SERVICES = ("", "namespaces"), ("", "persistentvolumeclaims"), ("", "services")
PODS = ("", "pods")


def install(world: World, policy: Workloads) -> None:
    """Adds these controllers to a world."""
    world.handlers["default-account"] = _account
    world.handlers["claim"] = lambda w, uid: _bind(w, policy, uid=uid)
    world.handlers["claim-protection"] = _unprotect
    world.handlers["load-balancer"] = lambda w, uid: _address(w, policy, uid=uid)
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    meta = change.entry.obj["metadata"]
    if change.at.storage == PODS and _volumes(change.entry.obj):
        world.later(0, "claim-protection", meta["namespace"])
    if change.type == "DELETED":
        return
    if change.at.storage == NAMESPACES and change.type == "ADDED":
        world.later(0, "default-account", meta["name"])
    elif change.at.storage == CLAIMS:
        world.later(0, "claim", meta["uid"])
        if "deletionTimestamp" in meta:
            world.later(0, "claim-protection", meta["namespace"])
    elif change.at.storage == SERVICES and change.entry.obj["spec"].get("type") == "LoadBalancer":
        world.later(0, "load-balancer", meta["uid"])


def _volumes(pod: Object) -> set[str]:
    """The claims that a Pod uses, unless it has ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return set()
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}


def _unprotect(world: World, namespace: str) -> None:
    """Lets go of the claims of a namespace that are being deleted and that no Pod uses."""
    used = {name for _, pod in world.store.list(PODS, namespace) for name in _volumes(pod.obj)}
    for at, entry in list(world.store.list(CLAIMS, namespace)):
        meta = entry.obj["metadata"]
        if "deletionTimestamp" in meta and at.name not in used and PROTECTION in (meta.get("finalizers") or ()):
            left = [name for name in meta["finalizers"] if name != PROTECTION]
            deletion.write_metadata(world, at, entry=entry, changes={"finalizers": left})


def _account(world: World, namespace: str) -> None:
    kind = world.catalog.kind("v1", "ServiceAccount")
    there = world.store.get(Location(NAMESPACES, "", namespace))
    if there is None or "deletionTimestamp" in there.obj["metadata"]:
        return
    if world.store.get(world.location(kind, namespace, "default")) is None:
        obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
        registry.create(world, kind, obj=obj, write=Write("kube-controller-manager"))


def _due(world: World, policy: Workloads, *, uid: str, handler: str) -> bool:
    """Whether the time of an object has come; else sets the timer for it."""
    found = world.entry(uid)
    assert found is not None
    behaviour = policy.of(found[1].obj)
    due = world.began(uid) + behaviour.after_s
    if behaviour.outcome != "ready":
        return False
    if world.clock() < due:
        world.timers.add(due, handler, uid)
        return False
    return True


def _bind(world: World, policy: Workloads, *, uid: str) -> None:
    found = world.entry(uid)
    if (
        found is None
        or found[1].obj.get("status", {}).get("phase") == "Bound"
        or not _due(world, policy, uid=uid, handler="claim")
    ):
        return
    at, entry = found
    spec = entry.obj["spec"]
    status = {
        "phase": "Bound", "accessModes": spec.get("accessModes", []),
        "capacity": (spec.get("resources") or {}).get("requests") or {},
    }  # fmt: skip
    volume = spec.get("volumeName") or f"pvc-{uid}"
    world.store.put(at, {**entry.obj, "spec": {**spec, "volumeName": volume}, "status": status})


def _address(world: World, policy: Workloads, *, uid: str) -> None:
    found = world.entry(uid)
    if found is None or not _due(world, policy, uid=uid, handler="load-balancer"):
        return
    status = {"loadBalancer": {"ingress": [{"ip": "127.0.0.1", "ipMode": "VIP"}]}}
    conditions.write_status(world, found[0], entry=found[1], status=status)
