"""Objects of the kinds that readiness knows, made short; a row is name, object, status, reason, message."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.compute.kstatus import status_of
from reconciler.compute.project import projected

NOW_MS = 1_700_000_000_000
Row = tuple[str, Any, str, str, str]


def obj(kind: str, *, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    groups = {"Pod": "v1", "Service": "v1", "PersistentVolumeClaim": "v1", "ConfigMap": "v1", "Secret": "v1"}
    groups |= {"Job": "batch/v1", "CronJob": "batch/v1", "PodDisruptionBudget": "policy/v1"}
    groups |= {"CustomResourceDefinition": "apiextensions.k8s.io/v1", "Widget": "example.com/v1"}
    made = {"apiVersion": groups.get(kind, "apps/v1"), "kind": kind, "metadata": {"name": "x", **metadata}}
    return made | ({"spec": spec} if spec is not None else {}) | ({"status": status} if status is not None else {})


def cond(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def check(live: Any, status: str, reason: str, message: str) -> None:
    """The verdict on the object, and the same verdict on what would be recorded of it."""
    verdict = status_of(live, now_ms=NOW_MS)
    assert (verdict.status, verdict.reason, verdict.message) == (status, reason, message)
    if live is not None:
        assert status_of(projected(live), now_ms=NOW_MS) == verdict


def table(*rows: Row) -> pytest.MarkDecorator:
    """A test for each row."""
    return pytest.mark.parametrize(
        ("live", "status", "reason", "message"), [row[1:] for row in rows], ids=[row[0] for row in rows]
    )
