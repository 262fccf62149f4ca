"""Claims, Services, CustomResourceDefinitions: CONTRACT §4.6, row by row."""

from __future__ import annotations

from typing import Any

from tests.reconciler.compute.kstatus.made import Row, check, cond, obj, table


def crd(*conditions: dict[str, str]) -> dict[str, Any]:
    return obj("CustomResourceDefinition", status={"conditions": list(conditions)})


ROWS: tuple[Row, ...] = (
    ("pvc bound", obj("PersistentVolumeClaim", status={"phase": "Bound"}), "Current", "Current", "is bound"),
    (
        "pvc pending",
        obj("PersistentVolumeClaim", status={"phase": "Pending"}),
        *("InProgress", "NotBound", "is not bound, phase Pending"),
    ),
    ("service", obj("Service", spec={"type": "ClusterIP"}), "Current", "Current", "is ready"),
    (
        "load balancer",
        obj("Service", spec={"type": "LoadBalancer"}),
        *("InProgress", "NoIPAssigned", "type LoadBalancer without a cluster IP yet"),
    ),
    (
        "load balancer with ip",
        obj("Service", spec={"type": "LoadBalancer", "clusterIP": "10.0.0.1"}),
        *("Current", "Current", "is ready"),
    ),
    ("crd established", crd(cond("NamesAccepted"), cond("Established")), "Current", "Current", "is established"),
    (
        "crd names refused",
        crd(cond("NamesAccepted", "False", "PluralConflict", "taken")),
        *("Failed", "PluralConflict", "taken"),
    ),
    (
        "crd installing",
        crd(cond("Established", "False", "Installing")),
        *("InProgress", "Installing", "is not established yet"),
    ),
    (
        "crd not established",
        crd(cond("Established", "False", "NotAccepted", "no")),
        *("Failed", "NotAccepted", "no"),
    ),
    ("crd new", crd(), "InProgress", "Installing", "is not established yet"),
)


@table(*ROWS)
def test_the_table(live: Any, status: str, reason: str, message: str) -> None:
    check(live, status, reason, message)
