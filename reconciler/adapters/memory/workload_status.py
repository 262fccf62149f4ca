"""The statuses of workloads as their controllers write them, from a rollout and its phase.

Source of the fields, reasons and sentences: `pkg/controller/deployment`, `replicaset`, `statefulset`, `daemon`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler.adapters.memory import conditions
from reconciler.adapters.memory.store import Entry, Location
from reconciler.adapters.memory.world import World

if TYPE_CHECKING:
    from reconciler.adapters.memory.workloads import Rollout

Object = dict[str, Any]


def ready_of(obj: Object) -> int:
    """How many Pods the status calls ready."""
    status = obj.get("status") or {}
    return int(status.get("numberReady" if obj["kind"] == "DaemonSet" else "readyReplicas", 0))


def write(world: World, at: Location, *, entry: Entry, rollout: Rollout, phase: str) -> None:
    """Writes the status of a workload that is `progressing`, `ready` or `exceeded`."""
    ready = rollout.wanted if phase == "ready" else min(rollout.ready_before, rollout.wanted)
    make = _BY_KIND[entry.obj["kind"]]
    status = make(entry.obj, rollout, ready, phase)
    if entry.obj["kind"] == "Deployment":
        status["conditions"] = _conditions(world, entry.obj, rollout=rollout, ready=ready, phase=phase)
    conditions.write_status(world, at, entry=entry, status={k: v for k, v in status.items() if v != 0 or k in _ALWAYS})


#: Counters that are written even when they are 0.
_ALWAYS = frozenset(
    {
        "replicas", "collisionCount", "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled",
        "numberReady", "observedGeneration",
    }
)  # fmt: skip


def _deployment(obj: Object, rollout: Rollout, ready: int, phase: str) -> Object:
    updated = rollout.wanted if phase == "ready" or not rollout.ready_before else min(1, rollout.wanted)
    total = rollout.wanted if phase == "ready" or not rollout.ready_before else ready + updated
    found = {
        "observedGeneration": obj["metadata"]["generation"], "replicas": total, "updatedReplicas": updated,
        "readyReplicas": ready, "availableReplicas": ready,
        "unavailableReplicas": max(total - ready, rollout.wanted - ready),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value or key == "observedGeneration"}


def _conditions(world: World, obj: Object, *, rollout: Rollout, ready: int, phase: str) -> list[Object]:
    time, name = world.time_text(), obj["metadata"]["name"]
    available = ready >= rollout.wanted
    words = "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable"
    text = f"Deployment {'has' if available else 'does not have'} minimum availability."
    have = list((obj.get("status") or {}).get("conditions") or ())
    have = conditions.condition(have, conditions.make("Available", available, words, text), time=time, updated=True)
    new_set = f'ReplicaSet "{name}-{rollout.template}"'
    progressing = {
        "ready": (True, "NewReplicaSetAvailable", f"{new_set} has successfully progressed."),
        "exceeded": (False, "ProgressDeadlineExceeded", f"{new_set} has timed out progressing."),
        "progressing": (True, "ReplicaSetUpdated", f"{new_set} is progressing."),
    }[phase]
    return conditions.condition(have, conditions.make("Progressing", *progressing), time=time, updated=True)


def _replica_set(obj: Object, rollout: Rollout, ready: int, phase: str) -> Object:
    return {
        "replicas": rollout.wanted, "fullyLabeledReplicas": rollout.wanted, "readyReplicas": ready,
        "availableReplicas": ready, "observedGeneration": obj["metadata"]["generation"],
    }  # fmt: skip


def _stateful_set(obj: Object, rollout: Rollout, ready: int, phase: str) -> Object:
    name = f"{obj['metadata']['name']}-{rollout.template}"
    before = (obj.get("status") or {}).get("currentRevision", name)
    done = phase == "ready"
    updated = rollout.wanted if done or not rollout.ready_before else min(1, rollout.wanted)
    return {
        "observedGeneration": obj["metadata"]["generation"], "replicas": rollout.wanted, "readyReplicas": ready,
        "availableReplicas": ready, "currentReplicas": rollout.wanted if done or before == name else 0,
        "updatedReplicas": updated, "currentRevision": name if done else before, "updateRevision": name,
        "collisionCount": 0,
    }  # fmt: skip


def _daemon_set(obj: Object, rollout: Rollout, ready: int, phase: str) -> Object:
    updated = rollout.wanted if phase == "ready" or not rollout.ready_before else 0
    return {
        "observedGeneration": obj["metadata"]["generation"], "currentNumberScheduled": rollout.wanted,
        "desiredNumberScheduled": rollout.wanted, "numberMisscheduled": 0, "numberReady": ready,
        "numberAvailable": ready, "numberUnavailable": rollout.wanted - ready, "updatedNumberScheduled": updated,
    }  # fmt: skip


_BY_KIND: dict[str, Callable[[Object, Rollout, int, str], Object]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}
