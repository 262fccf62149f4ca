from __future__ import annotations

from typing import Any

from reconciler.api.types.stage import ReadyExpression
from reconciler.compute.assess import assess, targets_of
from reconciler.compute.judging import Sight, recorded, sight_of
from reconciler.ports.cluster import Ref

WEB, JOB, GONE = (Ref("apps/v1", "Deployment", "shop", name) for name in ("web", "job", "gone"))
EXPR = ReadyExpression(api_version="apps/v1", kind="Deployment", current="spec.template.size == 3")


def plain(value: Any) -> Any:
    return value


def live(**spec: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "shop", "generation": 1, "managedFields": [{}]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def test_what_is_recorded_is_judged_in_the_same_words() -> None:
    sight = Sight({WEB: live(replicas=3, env="s3cret", template={"size": 2}), GONE: None}, {JOB: "forbidden"}, 7)
    targets = targets_of([WEB, GONE, JOB], checks=(), exprs=(EXPR,), disable_wait=False)
    found = assess(sight.objects, targets=targets, now_ms=7, unreadable=sight.unreadable)
    kept = recorded(sight, targets, message=found.message, scrub=plain)
    assert kept is not None
    again = sight_of(kept)
    assert assess(again.objects, targets=targets, now_ms=again.now_ms, unreadable=again.unreadable) == found
    assert "s3cret" not in str(kept)
    assert "managedFields" not in str(kept)


def test_what_would_be_judged_otherwise_is_not_recorded() -> None:
    sight = Sight({WEB: live()}, {}, 7)
    targets = targets_of([WEB], checks=(), exprs=(), disable_wait=False)
    assert recorded(sight, targets, message="all is well", scrub=plain) is None
