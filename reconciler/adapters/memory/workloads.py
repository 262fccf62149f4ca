"""Deployments, ReplicaSets, StatefulSets and DaemonSets: their controllers' part, with statuses as those write them.

A rollout begins when the Pod template changes or more replicas are wanted, and goes as the workload's behaviour says.
Every status follows from the rollout's start and the time; nothing is counted from Pods.
"""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import msgspec

from reconciler.adapters.memory import deletion, pods, registry, workload_status
from reconciler.adapters.memory.metadata import suffix
from reconciler.adapters.memory.policy import Behaviour, Workloads
from reconciler.adapters.memory.request import Write
from reconciler.adapters.memory.store import Change, Entry, Location
from reconciler.adapters.memory.world import World

Object = dict[str, Any]
KINDS = {("apps", plural) for plural in ("deployments", "replicasets", "statefulsets", "daemonsets")}
_encode = msgspec.json.Encoder(order="sorted").encode


class Rollout(NamedTuple):
    """What a controller remembers of a workload: which template, since when, and how many Pods were ready before."""

    template: str
    started: float
    wanted: int
    ready_before: int


def install(world: World, policy: Workloads) -> None:
    """Adds the controllers to a world."""
    world.handlers["workload"] = lambda w, uid: _sync(w, policy, uid=uid)
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    meta = change.entry.obj["metadata"]
    if change.at.storage in KINDS and change.type != "DELETED":
        if change.before is None or change.before.obj["metadata"].get("generation") != meta.get("generation"):
            world.later(0, "workload", meta["uid"])
    elif change.at.storage == pods.STORAGE and change.type == "DELETED":
        for owner in meta.get("ownerReferences") or ():
            world.later(0, "workload", owner["uid"])


def template_hash(template: Object) -> str:
    """The suffix of a ReplicaSet's name: from the template alone, so that going back finds the old one."""
    return suffix(zlib.crc32(_encode(template)), 10)


def _wanted(obj: Object, policy: Workloads) -> int:
    return policy.nodes if obj["kind"] == "DaemonSet" else int(obj["spec"].get("replicas", 1))


def _rollout(world: World, obj: Object, *, wanted: int) -> Rollout:
    """The rollout in progress; a new one begins here."""
    uid, name = obj["metadata"]["uid"], template_hash(obj["spec"]["template"])
    before: Rollout | None = world.memory.get(uid)
    if before is not None and before.template == name and wanted <= before.wanted:
        world.memory[uid] = before._replace(wanted=wanted)
    else:
        was_ready = workload_status.ready_of(obj)
        world.memory[uid] = Rollout(name, world.clock(), wanted, was_ready)
    found: Rollout = world.memory[uid]
    return found


def _sync(world: World, policy: Workloads, *, uid: str) -> None:
    found = world.entry(uid)
    if found is None or found[0].storage not in KINDS or "deletionTimestamp" in found[1].obj["metadata"]:
        return
    at, entry = found
    behaviour = policy.of(entry.obj)
    rollout = _rollout(world, entry.obj, wanted=_wanted(entry.obj, policy))
    phase = _phase(world, entry.obj, behaviour=behaviour, rollout=rollout)
    if behaviour.pods:
        _make(world, entry.obj, rollout=rollout, settled=phase == "ready")
    entry = world.store.get(at) or entry
    workload_status.write(world, at, entry=entry, rollout=rollout, phase=phase)


def _phase(world: World, obj: Object, *, behaviour: Behaviour, rollout: Rollout) -> str:
    """`progressing`, `ready` or `exceeded`; sets the timer for what comes next."""
    now, due = world.clock(), rollout.started + behaviour.after_s
    ends = behaviour.outcome in ("ready", "fail")
    if ends and now >= due:
        return "ready" if behaviour.outcome == "ready" else "exceeded"
    if ends:
        world.timers.add(due, "workload", obj["metadata"]["uid"])
    if obj["kind"] != "Deployment":
        return "progressing"
    deadline = rollout.started + obj["spec"].get("progressDeadlineSeconds", 600)
    if now >= deadline:
        return "exceeded"
    world.timers.add(deadline, "workload", obj["metadata"]["uid"])
    return "progressing"


def _make(world: World, obj: Object, *, rollout: Rollout, settled: bool) -> None:
    if obj["kind"] == "Deployment":
        _replica_sets(world, obj, rollout=rollout, settled=settled)
    elif obj["kind"] == "StatefulSet":
        _numbered(world, obj, rollout=rollout)
    else:
        _interchangeable(world, obj, rollout=rollout)


def _replica_sets(world: World, obj: Object, *, rollout: Rollout, settled: bool) -> None:
    meta = obj["metadata"]
    name = f"{meta['name']}-{rollout.template}"
    for at in world.store.dependents(meta["uid"]):
        entry = world.store.get(at)
        if entry is not None and at.storage == ("apps", "replicasets"):
            replicas = rollout.wanted if at.name == name else (0 if settled else entry.obj["spec"]["replicas"])
            _adjust(world, at, entry=entry, replicas=replicas, annotations=pods.inherited(obj))
    kind = world.catalog.kind("apps/v1", "ReplicaSet")
    if world.store.get(world.location(kind, meta["namespace"], name)) is not None:
        return
    registry.create(world, kind, obj=_replica_set(obj, name, rollout=rollout), write=Write("kube-controller-manager"))


def _replica_set(obj: Object, name: str, *, rollout: Rollout) -> Object:
    mark = {"pod-template-hash": rollout.template}
    template = obj["spec"]["template"]
    meta = template.get("metadata") or {}
    labels = {**(meta.get("labels") or {}), **mark}
    selector = obj["spec"]["selector"]
    selector = {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **mark}}
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": obj["metadata"]["namespace"], "labels": labels,
            "annotations": pods.inherited(obj), "ownerReferences": [pods.owner_reference(obj)],
        },
        "spec": {
            "replicas": rollout.wanted, "selector": selector,
            "template": {**template, "metadata": {**meta, "labels": labels}},
        },
    }  # fmt: skip


def _adjust(world: World, at: Location, *, entry: Entry, replicas: int, annotations: Object) -> None:
    """Scales a ReplicaSet and hands it the Deployment's annotations."""
    meta, spec = entry.obj["metadata"], entry.obj["spec"]
    if spec["replicas"] == replicas and (meta.get("annotations") or {}) == annotations:
        return
    kept = {k: v for k, v in meta.items() if k != "annotations"}
    meta = {**kept, **({"annotations": annotations} if annotations else {}), "generation": meta["generation"] + 1}
    world.store.put(at, {**entry.obj, "metadata": meta, "spec": {**spec, "replicas": replicas}})


def _interchangeable(world: World, obj: Object, *, rollout: Rollout) -> None:
    """As many Pods as wanted; of too many the youngest go, and with a new template all old ones."""
    mark = {} if obj["kind"] == "ReplicaSet" else {"controller-revision-hash": rollout.template}
    have = pods.of(world, obj)
    stale = [pod for pod in have if mark and not mark.items() <= (pod[1].obj["metadata"].get("labels") or {}).items()]
    current = [pod for pod in have if pod not in stale]
    for _, entry in [*stale, *current[rollout.wanted :]]:
        deletion.delete(world, entry)
    for _ in range(rollout.wanted - len(current)):
        pods.make(world, obj, labels=mark)


def _numbered(world: World, obj: Object, *, rollout: Rollout) -> None:
    """The Pods of a StatefulSet: `name-0`, `name-1`, …"""
    mark = {"controller-revision-hash": f"{obj['metadata']['name']}-{rollout.template}"}
    names = {f"{obj['metadata']['name']}-{number}" for number in range(rollout.wanted)}
    for at, entry in pods.of(world, obj):
        labels = entry.obj["metadata"].get("labels") or {}
        if at.name in names and mark.items() <= labels.items():
            names.discard(at.name)
        else:
            deletion.delete(world, entry)
    for name in sorted(names):
        pods.make(world, obj, name=name, labels={**mark, "apps.kubernetes.io/pod-index": name.rsplit("-", 1)[1]})
