"""Readiness of one object, by the rules of kstatus.

Not a wait, and no I/O: one object and one moment in, one verdict out. Source of the rules: sigs.k8s.io/cli-utils,
`pkg/kstatus/status` (`generic.go`, `core.go`), with one deliberate difference: a Job is current when it completed, not
when it merely started, unless it is suspended. Invariant: no JSON value makes `status_of` raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.compute.fields import condition, dig, group_of, is_false, is_true, text, whole
from reconciler.compute.kstatus.readiness import Readiness, Status, current, failed, in_progress
from reconciler.compute.kstatus.running import job, pod
from reconciler.compute.kstatus.simple import crd, pvc, service
from reconciler.compute.kstatus.workloads import daemon_set, deployment, replica_set, stateful_set

__all__ = ["Readiness", "Status", "status_of"]

_Rule = Callable[[Any, int], Readiness]

_ALWAYS = frozenset({("", "ConfigMap"), ("", "Secret"), ("batch", "CronJob"), ("policy", "PodDisruptionBudget")})

_RULES: dict[tuple[str, str], _Rule] = {
    ("", "PersistentVolumeClaim"): pvc,
    ("", "Pod"): pod,
    ("", "Service"): service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crd,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "Job"): job,
    ("extensions", "DaemonSet"): daemon_set,
    ("extensions", "Deployment"): deployment,
    ("extensions", "ReplicaSet"): replica_set,
}


def status_of(obj: Any, *, now_ms: int) -> Readiness:
    """The readiness of a live object at `now_ms` (milliseconds since the epoch); None is an object that is not there.

    First what holds for every kind (deletion, an unobserved generation, the conditions Reconciling and Stalled), then
    the rule of the kind, then the condition Ready. `recheck_ms` is set where time alone changes the verdict.
    """
    if obj is None:
        return Readiness(status="NotFound", reason="NotFound", message="not found")
    verdict = _generic(obj)
    if verdict is not None:
        return verdict
    key = group_of(text(obj, "apiVersion")), text(obj, "kind")
    if key in _ALWAYS:
        return current("ready as soon as it exists")
    rule = _RULES.get(key)
    return _by_ready_condition(obj) if rule is None else rule(obj, now_ms)


def _generic(obj: Any) -> Readiness | None:
    """What `checkGenericProperties` of kstatus decides for every kind."""
    if text(obj, "metadata", "deletionTimestamp"):
        waiting = dig(obj, "metadata", "finalizers")
        names = ", ".join(f for f in waiting if isinstance(f, str)) if isinstance(waiting, list) else ""
        tail = f"; waiting for finalizers {names}" if names else ""
        return Readiness(status="Terminating", reason="Terminating", message=f"is being deleted{tail}")
    wanted, seen = whole(obj, "metadata", "generation"), whole(obj, "status", "observedGeneration")
    if wanted is not None and seen is not None and wanted != seen:
        message = f"its controller has observed generation {seen}, not yet {wanted}"
        return in_progress("LatestGenerationNotObserved", message)
    reconciling, stalled = condition(obj, "Reconciling"), condition(obj, "Stalled")
    if is_true(reconciling):
        return in_progress(text(reconciling, "reason") or "Reconciling", _words(reconciling, "is reconciling"))
    if is_true(stalled):
        return failed(text(stalled, "reason") or "Stalled", _words(stalled, "is stalled"))
    return None


def _by_ready_condition(obj: Any) -> Readiness:
    ready = condition(obj, "Ready")
    if ready is None:
        return current("exists; its kind reports no readiness")
    if is_true(ready):
        return current(_words(ready, "condition Ready is True"))
    state = "False" if is_false(ready) else "Unknown"
    return in_progress(text(ready, "reason") or "NotReady", _words(ready, f"condition Ready is {state}"))


def _words(found: Any, otherwise: str) -> str:
    return text(found, "message") or otherwise
