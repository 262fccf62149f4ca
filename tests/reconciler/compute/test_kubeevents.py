from __future__ import annotations

from msgspec.structs import replace

from reconciler.compute.kubeevents import Told, event_object
from reconciler.ports.cluster import Ref

TOLD = Told(type="Warning", reason="LedgerBehind", message="it is behind", cause="7")
REGARDING = Ref("stages.metio.wtf/v1", "StageSet", "shop", "rel" * 80)


def test_it_is_one_event_for_one_cause() -> None:
    first = event_object(TOLD, regarding=REGARDING, uid="0a1b2c3d-4e5f", at_ms=1_900_000_000_123)
    again = event_object(TOLD, regarding=REGARDING, uid="0a1b2c3d-4e5f", at_ms=1_900_000_009_000)
    other = event_object(replace(TOLD, cause="8"), regarding=REGARDING, uid="0a1b2c3d-4e5f", at_ms=1)
    assert first["metadata"] == again["metadata"]
    assert first["metadata"]["name"] != other["metadata"]["name"]
    assert len(first["metadata"]["name"]) <= 253
    assert first["eventTime"] == "2030-03-17T17:46:40.123000Z"


def test_it_says_what_it_regards_and_where_help_is() -> None:
    found = event_object(TOLD, regarding=REGARDING, uid="0a1b2c3d", at_ms=1)
    assert found["regarding"]["uid"] == "0a1b2c3d"
    assert found["reason"] == found["action"] == "LedgerBehind"
    assert found["note"] == "it is behind (runbook: https://stageset.projects.metio.wtf/runbooks/ledgerbehind/)"
    assert found["metadata"]["namespace"] == "shop"
