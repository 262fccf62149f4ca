"""Pods and Jobs: CONTRACT §4.6, row by row, with the difference for Jobs."""

from __future__ import annotations

from typing import Any

from reconciler.compute.kstatus import status_of
from tests.reconciler.compute.kstatus.made import NOW_MS, Row, check, cond, obj, table


def pod(phase: str, /, **status: Any) -> dict[str, Any]:
    return obj("Pod", status={"phase": phase, **status})


def pending(age_s: int) -> dict[str, Any]:
    created = {-5: "2023-11-14T22:13:25Z", 14: "2023-11-14T22:13:06Z", 16: "2023-11-14T22:13:04Z"}[age_s]
    reason = cond("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")
    return obj("Pod", status={"phase": "Pending", "conditions": [reason]}, creationTimestamp=created)


def job(*conditions: dict[str, str], spec: Any = None, **status: Any) -> dict[str, Any]:
    return obj("Job", spec=spec or {"completions": 2}, status={"conditions": list(conditions), **status})


def waiting(reason: str) -> list[dict[str, Any]]:
    return [{"name": "app", "ready": False, "state": {"waiting": {"reason": reason}}}]


ROWS: tuple[Row, ...] = (
    ("pod succeeded", pod("Succeeded"), "Current", "Current", "completed successfully"),
    ("pod failed", pod("Failed"), "Current", "Current", "completed, but not successfully"),
    ("pod ready", pod("Running", conditions=[cond("Ready")]), "Current", "Current", "running and ready"),
    (
        "pod crashing",
        pod("Running", containerStatuses=waiting("CrashLoopBackOff")),
        *("Failed", "ContainerCrashLooping", "containers in CrashLoopBackOff: app"),
    ),
    (
        "pod starting",
        pod("Running", containerStatuses=waiting("ContainerCreating")),
        *("InProgress", "PodRunningNotReady", "running, 0 of 1 containers ready"),
    ),
    ("pod pending", pod("Pending"), "InProgress", "PodPending", "is pending"),
    (
        "pod unschedulable, young",
        pending(14),
        *("InProgress", "PodNotScheduled", "has not been scheduled: 0/3 nodes are available"),
    ),
    (
        "pod unschedulable, old",
        pending(16),
        *("Failed", "PodUnschedulable", "cannot be scheduled: 0/3 nodes are available"),
    ),
    ("pod unobserved", obj("Pod"), "InProgress", "PodNotObserved", "has no phase yet"),
    ("pod unknown phase", pod("Unknown"), "InProgress", "PodPhaseUnknown", "is in phase Unknown"),
    ("job complete", job(cond("Complete"), succeeded=2), "Current", "Current", "completed, 2 of 2 succeeded"),
    (
        "job failed",
        job(cond("Failed", reason="BackoffLimitExceeded", message="limit"), failed=4),
        *("Failed", "JobFailed", "failed after 4 failed Pods (BackoffLimitExceeded: limit)"),
    ),
    (
        "job running is not ready",
        job(startTime="2023-01-01T00:00:00Z", active=1, succeeded=1),
        *("InProgress", "JobInProgress", "1 of 2 completions, 1 active, 0 failed"),
    ),
    ("job not started", job(), "InProgress", "JobNotStarted", "has not started"),
    ("job suspended by condition", job(cond("Suspended")), "Current", "Current", "is suspended"),
    ("job suspended by spec", job(spec={"suspend": True}), "Current", "Current", "is suspended"),
    (
        "job resumed, condition lags behind",
        job(cond("Suspended"), spec={"suspend": False}),
        *("InProgress", "JobNotStarted", "has not started"),
    ),
)


@table(*ROWS)
def test_the_table(live: Any, status: str, reason: str, message: str) -> None:
    check(live, status, reason, message)


def test_an_unschedulable_pod_asks_to_be_looked_at_when_its_window_ends() -> None:
    assert status_of(pending(14), now_ms=NOW_MS).recheck_ms == 1_000
    assert status_of(pending(-5), now_ms=NOW_MS).recheck_ms == 20_000
    assert status_of(pending(16), now_ms=NOW_MS).recheck_ms is None
