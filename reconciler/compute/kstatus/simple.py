"""Readiness of kinds with one thing to look at: PersistentVolumeClaim, Service, CustomResourceDefinition.

Source: kstatus `core.go`.
"""

from __future__ import annotations

from typing import Any

from reconciler.compute.fields import condition, is_false, is_true, text
from reconciler.compute.kstatus.readiness import Readiness, current, failed, in_progress


def pvc(obj: Any, _now_ms: int) -> Readiness:
    """Bound."""
    phase = text(obj, "status", "phase")
    if phase == "Bound":
        return current("is bound")
    return in_progress("NotBound", f"is not bound, phase {phase or 'unknown'}")


def service(obj: Any, _now_ms: int) -> Readiness:
    """At once; of type LoadBalancer once it has a cluster IP."""
    if text(obj, "spec", "type") == "LoadBalancer" and not text(obj, "spec", "clusterIP"):
        return in_progress("NoIPAssigned", "type LoadBalancer without a cluster IP yet")
    return current("is ready")


def crd(obj: Any, _now_ms: int) -> Readiness:
    """Established; failed when its names are refused or it is not established for another reason than Installing."""
    names, established = condition(obj, "NamesAccepted"), condition(obj, "Established")
    if is_false(names):
        return failed(text(names, "reason") or "NamesNotAccepted", text(names, "message") or "its names are refused")
    if is_true(established):
        return current("is established")
    if is_false(established) and text(established, "reason") != "Installing":
        return failed(
            text(established, "reason") or "NotEstablished", text(established, "message") or "is not established"
        )
    return in_progress("Installing", "is not established yet")
