"""Readiness of what keeps a number of Pods: Deployment, ReplicaSet, StatefulSet, DaemonSet.

Not the Pods themselves. Each rule looks at the counts in the order in which a rollout moves them, so that the message
names the step that is missing. Source: kstatus `core.go`.
"""

from __future__ import annotations

from typing import Any

from reconciler.compute.fields import condition, count, is_true, text, whole
from reconciler.compute.kstatus.readiness import Readiness, current, failed, in_progress

#: The Deployment controller takes this value (MaxInt32) for "no deadline" and then never reports progress.
_NO_DEADLINE_S = 2**31 - 1


def _short(reason: str, have: int, *, want: int, what: str) -> Readiness | None:
    """In progress while fewer than wanted replicas are `what`."""
    return in_progress(reason, f"{have} of {want} replicas {what}") if have < want else None


def _extra(have: int, want: int) -> Readiness | None:
    return in_progress("ExtraPods", f"{have - want} old replicas pending termination") if have > want else None


def deployment(obj: Any, _now_ms: int) -> Readiness:
    """All replicas updated, available and ready, the rollout reported as complete, and Available=True."""
    want = count(obj, "spec", "replicas", default=1)
    have = {name: count(obj, "status", name) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    progressing = condition(obj, "Progressing")
    if text(progressing, "reason") == "ProgressDeadlineExceeded":
        return failed("ProgressDeadlineExceeded", _deadline_message(obj, have["availableReplicas"], want=want))
    return (
        _short("LessReplicas", have["replicas"], want=want, what="created")
        or _short("LessUpdated", have["updatedReplicas"], want=want, what="updated")
        or _extra(have["replicas"], want)
        or _short("LessAvailable", have["availableReplicas"], want=have["updatedReplicas"], what="available")
        or _short("LessReady", count(obj, "status", "readyReplicas"), want=want, what="ready")
        or _rollout_reported(obj, progressing)
        or current(f"{have['availableReplicas']} of {want} replicas available")
    )


def _deadline_message(obj: Any, available: int, *, want: int) -> str:
    deadline_s = count(obj, "spec", "progressDeadlineSeconds", default=600)
    return f"made no progress for {deadline_s} s (ProgressDeadlineExceeded): {available} of {want} replicas available"


def _rollout_reported(obj: Any, progressing: dict[str, Any] | None) -> Readiness | None:
    deadline_s = whole(obj, "spec", "progressDeadlineSeconds")
    has_deadline = deadline_s is not None and deadline_s != _NO_DEADLINE_S
    complete = is_true(progressing) and text(progressing, "reason") == "NewReplicaSetAvailable"
    if has_deadline and not complete:
        return in_progress("ReplicaSetNotAvailable", "the new ReplicaSet is not available yet")
    if not is_true(condition(obj, "Available")):
        return in_progress("DeploymentNotAvailable", "condition Available is not True yet")
    return None


def replica_set(obj: Any, _now_ms: int) -> Readiness:
    """All replicas labelled, available and ready, none too many. A ReplicaFailure may pass (a quota): in progress."""
    failure = condition(obj, "ReplicaFailure")
    if is_true(failure):
        return in_progress("ReplicaFailure", text(failure, "message") or "Pods could not be created or deleted")
    want = count(obj, "spec", "replicas", default=1)
    available = count(obj, "status", "availableReplicas")
    return (
        _short("LessLabelled", count(obj, "status", "fullyLabeledReplicas"), want=want, what="labelled")
        or _short("LessAvailable", available, want=want, what="available")
        or _short("LessReady", count(obj, "status", "readyReplicas"), want=want, what="ready")
        or _extra(count(obj, "status", "replicas"), want)
        or current(f"{available} of {want} replicas available")
    )


def stateful_set(obj: Any, _now_ms: int) -> Readiness:
    """All replicas ready and on the update revision; with a partition only those above it; OnDelete at once."""
    if text(obj, "spec", "updateStrategy", "type") == "OnDelete":
        return current("update strategy OnDelete: its Pods are replaced by hand")
    want = count(obj, "spec", "replicas", default=1)
    have, ready = count(obj, "status", "replicas"), count(obj, "status", "readyReplicas")
    unsettled = (
        _short("LessReplicas", have, want=want, what="created")
        or _short("LessReady", ready, want=want, what="ready")
        or _extra(have, want)
    )
    if unsettled is not None:
        return unsettled
    partition = whole(obj, "spec", "updateStrategy", "rollingUpdate", "partition")
    if partition is not None:
        return _partitioned(count(obj, "status", "updatedReplicas"), max(want - partition, 0))
    return (
        _short("LessCurrent", count(obj, "status", "currentReplicas"), want=want, what="on the current revision")
        or _revisions_differ(obj)
        or current(f"{ready} of {want} replicas ready")
    )


def _partitioned(updated: int, want: int) -> Readiness:
    short = _short("PartitionRollout", updated, want=want, what="above the partition updated")
    return short or current(f"{updated} of {want} replicas above the partition updated")


def _revisions_differ(obj: Any) -> Readiness | None:
    now, then = text(obj, "status", "currentRevision"), text(obj, "status", "updateRevision")
    if now == then:
        return None
    return in_progress("RevisionMismatch", f"revision {now or 'none'} is current, {then or 'none'} is being rolled out")


def daemon_set(obj: Any, _now_ms: int) -> Readiness:
    """As many as desired scheduled, updated, available and ready; its controller must have seen it at all."""
    if whole(obj, "metadata", "generation") is None:
        return in_progress("NoGeneration", "metadata.generation is not set yet")
    if whole(obj, "status", "observedGeneration") is None:
        return in_progress("NoObservedGeneration", "its controller has not observed it yet")
    want = whole(obj, "status", "desiredNumberScheduled")
    if want is None:
        return in_progress("NoDesiredNumber", "its controller has not counted the nodes yet")
    ready = count(obj, "status", "numberReady")
    return (
        _short("LessCurrent", count(obj, "status", "currentNumberScheduled"), want=want, what="scheduled")
        or _short("LessUpdated", count(obj, "status", "updatedNumberScheduled"), want=want, what="updated")
        or _short("LessAvailable", count(obj, "status", "numberAvailable"), want=want, what="available")
        or _short("LessReady", ready, want=want, what="ready")
        or current(f"{ready} of {want} replicas ready")
    )
