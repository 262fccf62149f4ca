from __future__ import annotations

from typing import Any

import pytest

from reconciler.adapters.operations.existing import Live
from reconciler.adapters.operations.results import Known, action_of

OURS = {"manager": "stageset-controller", "operation": "Apply"}
STATUS = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"}
LIVE = Live(uid="u", resource_version="5")
KNOWN = Known(digest="d", uid="u", resource_version="5")


@pytest.mark.parametrize(
    ("version", "managers", "before", "seen", "action"),
    [
        ("5", [OURS], LIVE, True, "unchanged"),
        ("6", [OURS], LIVE, True, "configured"),
        ("5", [OURS], KNOWN, False, "unchanged"),
        ("6", [OURS], KNOWN, False, "configured"),
        ("6", [OURS], Live(uid="older", resource_version="5"), True, "created"),
        ("6", [OURS, STATUS], None, True, "created"),
        ("6", [OURS], None, False, "created"),
        ("6", [OURS, STATUS], None, False, "configured"),
        ("6", [{**OURS, "manager": "kubectl"}], None, False, "configured"),
        ("6", [{**OURS, "subresource": "status"}], None, False, "configured"),
        ("6", [], None, False, "configured"),
    ],
)
def test_what_a_write_did(version: str, managers: list[dict[str, str]], before: Any, seen: bool, action: str) -> None:
    after = {"metadata": {"uid": "u", "resourceVersion": version, "managedFields": managers}}
    assert action_of(after, before=before, seen=seen, manager="stageset-controller") == action
