"""Pods: made for workloads, and told what becomes of them (kubelet's part).

Nothing runs: phases, container states, restarts and logs follow from the behaviour of the workload and from time.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import conditions, registry
from reconciler.adapters.memory.metadata import suffix
from reconciler.adapters.memory.policy import PREFIX, Behaviour, Workloads
from reconciler.adapters.memory.request import Write
from reconciler.adapters.memory.store import Change, Entry, Location
from reconciler.adapters.memory.world import World, text_of

Object = dict[str, Any]
STORAGE = ("", "pods")
NODE = "memory-node"
#: Pauses between restarts: 10 s, doubled up to five minutes, as kubelet's.
_BACKOFF_S, _BACKOFF_MAX_S = 10.0, 300.0


def install(world: World, policy: Workloads) -> None:
    """Adds kubelet's part to a world."""
    world.handlers["pod"] = lambda w, uid: _sync(w, policy, uid=uid)
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    if change.at.storage != STORAGE:
        return
    meta = change.entry.obj["metadata"]
    if change.type == "DELETED":
        for key in [key for key in world.logs if key[0] == meta["uid"]]:
            del world.logs[key]
    elif change.type == "ADDED":
        world.later(0, "pod", meta["uid"])


def owner_reference(owner: Object) -> Object:
    """The reference that a controller puts on what it makes."""
    return {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip


def inherited(owner: Object) -> Object:
    """The sandbox annotations of a workload, for what it makes."""
    annotations = owner["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name.startswith(PREFIX)}


def make(world: World, owner: Object, *, name: str = "", labels: Object | None = None) -> Entry | None:
    """A Pod from an owner's template; without a name one is generated. None when the namespace takes none."""
    template = owner["spec"]["template"]
    meta = template.get("metadata") or {}
    name = name or f"{owner['metadata']['name']}-{suffix(world.count())}"
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": owner["metadata"]["namespace"], "ownerReferences": [owner_reference(owner)],
            "labels": {**(meta.get("labels") or {}), **(labels or {})},
            "annotations": {**(meta.get("annotations") or {}), **inherited(owner)},
        },
        "spec": {**template["spec"], "nodeName": NODE},
    }  # fmt: skip
    namespace = world.store.get(Location(("", "namespaces"), "", owner["metadata"]["namespace"]))
    if namespace is None or "deletionTimestamp" in namespace.obj["metadata"]:
        return None
    kind = world.catalog.kind("v1", "Pod")
    return registry.create(world, kind, obj=pod, write=Write("kube-controller-manager"))


def of(world: World, owner: Object) -> list[tuple[Location, Entry]]:
    """The Pods that an owner made, oldest first."""
    found = []
    for at in world.store.dependents(owner["metadata"]["uid"]):
        entry = world.store.get(at)
        if at.storage == STORAGE and entry is not None:
            found.append((at, entry))
    return found


def _sync(world: World, policy: Workloads, *, uid: str) -> None:
    found = world.entry(uid)
    if found is None:
        return
    at, entry = found
    if entry.obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return
    behaviour = _behaviour(world, policy, pod=entry.obj)
    started = world.began(uid)
    due = started + behaviour.after_s
    done = world.clock() >= due
    restarts = 0
    if not done:
        world.timers.add(due, "pod", uid)
    else:
        world.logs.setdefault((uid, ""), behaviour.log)
        _complain(world, entry.obj, behaviour=behaviour)
        if behaviour.outcome == "crashloop":
            restarts, pause = _crashes(world.clock() - due)
            world.timers.add(due + pause, "pod", uid)
    status = _status(entry.obj, behaviour, started=started, done=done, restarts=restarts)
    conditions.write_status(world, at, entry=entry, status={**(entry.obj.get("status") or {}), **status})


def _behaviour(world: World, policy: Workloads, *, pod: Object) -> Behaviour:
    """A Pod does what its owner's policy says: a function may know the owner only."""
    for owner in pod["metadata"].get("ownerReferences") or ():
        found = world.entry(owner["uid"])
        if found is not None and policy.decide is not None and (decided := policy.decide(found[1].obj)):
            return decided
    return policy.of(pod)


def _crashes(elapsed: float) -> tuple[int, float]:
    """How often a container crashed by then, and when it does so next, in seconds since the first time."""
    count, at, pause = 1, 0.0, _BACKOFF_S
    while at + pause <= elapsed + 1e-6:
        at += pause
        pause = min(pause * 2, _BACKOFF_MAX_S)
        count += 1
    return count, at + pause


def _complain(world: World, pod: Object, *, behaviour: Behaviour) -> None:
    if behaviour.outcome == "crashloop":
        container = pod["spec"]["containers"][0]["name"]
        text = f"Back-off restarting failed container {container} in pod {pod['metadata']['name']}"
        conditions.warn(world, pod, reason="BackOff", message=text)
    elif behaviour.outcome == "never":
        conditions.warn(
            world,
            pod,
            reason="Unhealthy",
            message="Readiness probe failed: the sandbox was told that it never succeeds",
        )


def _phase(pod: Object, behaviour: Behaviour, *, done: bool) -> str:
    if not done and behaviour.outcome != "never":
        return "Pending"
    once = pod["spec"].get("restartPolicy") in ("Never", "OnFailure")
    if behaviour.outcome == "fail" or (once and behaviour.outcome == "crashloop"):
        return "Failed"
    return "Succeeded" if once and behaviour.outcome == "ready" else "Running"


def _status(pod: Object, behaviour: Behaviour, *, started: float, done: bool, restarts: int) -> Object:
    phase = _phase(pod, behaviour, done=done)
    running = phase == "Running"
    ready = running and behaviour.outcome == "ready"
    finished = text_of(started + behaviour.after_s)
    state = _state(phase, behaviour, started=text_of(started), finished=finished)
    restarts = restarts if running else 0
    reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "ContainersNotReady")
    time = finished if done else text_of(started)
    return {
        "phase": phase, "startTime": text_of(started), "hostIP": "127.0.0.1",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": text_of(started)},
            {"type": "Initialized", "status": "True", "lastTransitionTime": text_of(started)},
            _ready("ContainersReady", ready, reason=reason, time=time),
            _ready("Ready", ready, reason=reason, time=time),
        ],
        "containerStatuses": [
            _container(item, state, ready=ready, restarts=restarts) for item in pod["spec"].get("containers") or ()
        ],
    }  # fmt: skip


def _ready(type_: str, ready: bool, *, reason: str, time: str) -> Object:
    found = {"type": type_, "status": "True" if ready else "False", "lastTransitionTime": time}
    return found if ready else {**found, "reason": reason}


def _state(phase: str, behaviour: Behaviour, *, started: str, finished: str) -> Object:
    code = 0 if phase == "Succeeded" else behaviour.exit_code
    if phase in ("Succeeded", "Failed"):
        return _terminated(code, started, finished=finished)
    if phase == "Pending":
        return {"waiting": {"reason": "ContainerCreating"}}
    if behaviour.outcome == "crashloop":
        return {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    return {"running": {"startedAt": finished if behaviour.outcome == "ready" else started}}


def _terminated(code: int, started: str, *, finished: str) -> Object:
    reason = "Completed" if code == 0 else "Error"
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished}}


def _container(container: Object, state: Object, *, ready: bool, restarts: int) -> Object:
    found = {
        "name": container["name"], "image": container.get("image", ""), "imageID": "", "ready": ready,
        "started": "running" in state, "restartCount": restarts, "state": state,
    }  # fmt: skip
    if restarts:
        found["lastState"] = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return found
