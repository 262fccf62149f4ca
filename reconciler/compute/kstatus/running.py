"""Readiness of what runs: Pod and Job.

Source: kstatus `core.go`. Deliberately different: a running Job is in progress, because a stage that goes on while its
migration still runs is what users ask stages to prevent.
"""

from __future__ import annotations

from typing import Any

from reconciler.compute.fields import condition, count, dig, is_false, is_true, maps, millis, text
from reconciler.compute.kstatus.readiness import Readiness, current, failed, in_progress

#: How long a Pod may be reported unschedulable before that is a verdict (kstatus `ScheduleWindow`).
SCHEDULE_WINDOW_MS = 15_000


def pod(obj: Any, now_ms: int) -> Readiness:
    """Succeeded, or running and ready. A Pod in phase Failed is current too: kstatus takes it for completed."""
    match text(obj, "status", "phase"):
        case "Succeeded":
            return current("completed successfully")
        case "Failed":
            return current("completed, but not successfully")
        case "Running":
            return _running(obj)
        case "Pending":
            return _pending(obj, now_ms)
        case "":
            return in_progress("PodNotObserved", "has no phase yet")
        case phase:
            return in_progress("PodPhaseUnknown", f"is in phase {phase}")


def _running(obj: Any) -> Readiness:
    if is_true(condition(obj, "Ready")):
        return current("running and ready")
    containers = maps(obj, "status", "containerStatuses")
    looping = [c for c in containers if text(c, "state", "waiting", "reason") == "CrashLoopBackOff"]
    if looping:
        names = ", ".join(text(c, "name") or "?" for c in looping)
        return failed("ContainerCrashLooping", f"containers in CrashLoopBackOff: {names}")
    ready = sum(1 for c in containers if c.get("ready") is True)
    return in_progress("PodRunningNotReady", f"running, {ready} of {len(containers)} containers ready")


def _pending(obj: Any, now_ms: int) -> Readiness:
    scheduled = condition(obj, "PodScheduled")
    if not is_false(scheduled) or text(scheduled, "reason") != "Unschedulable":
        return in_progress("PodPending", "is pending")
    why = text(scheduled, "message") or "no node fits"
    created_ms = millis(text(obj, "metadata", "creationTimestamp"))
    left_ms = SCHEDULE_WINDOW_MS - (now_ms - created_ms) if created_ms is not None else 0
    if left_ms > 0:
        return in_progress("PodNotScheduled", f"has not been scheduled: {why}", recheck_ms=left_ms)
    return failed("PodUnschedulable", f"cannot be scheduled: {why}")


def job(obj: Any, _now_ms: int) -> Readiness:
    """Completed, or suspended. Failed once the Job controller gave up."""
    done, gave_up = condition(obj, "Complete"), condition(obj, "Failed")
    parallelism = count(obj, "spec", "parallelism", default=1)
    want = count(obj, "spec", "completions", default=parallelism)
    succeeded = count(obj, "status", "succeeded")
    if is_true(done):
        return current(f"completed, {succeeded} of {want} succeeded")
    if is_true(gave_up):
        return failed("JobFailed", _failure(obj, gave_up))
    if _suspended(obj):
        return current("is suspended")
    if not text(obj, "status", "startTime"):
        return in_progress("JobNotStarted", "has not started")
    active, lost = count(obj, "status", "active"), count(obj, "status", "failed")
    return in_progress("JobInProgress", f"{succeeded} of {want} completions, {active} active, {lost} failed")


def _failure(obj: Any, gave_up: Any) -> str:
    lost = count(obj, "status", "failed")
    words = ": ".join(part for part in (text(gave_up, "reason"), text(gave_up, "message")) if part)
    return f"failed after {lost} failed Pods" + (f" ({words})" if words else "")


def _suspended(obj: Any) -> bool:
    """`spec.suspend` decides; the condition only where the field is not set: it lags behind when a Job is resumed."""
    wanted = dig(obj, "spec", "suspend")
    return wanted if isinstance(wanted, bool) else is_true(condition(obj, "Suspended"))
