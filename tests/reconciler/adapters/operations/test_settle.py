from __future__ import annotations

import asyncio
from typing import Any

from reconciler import errors
from reconciler.adapters.operations.failures import Failure
from reconciler.adapters.operations.manifests import Manifest, Placed
from reconciler.adapters.operations.settle import Waiting, settle
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Object
from tests.reconciler.adapters.operations.scripted import Pauses, Scripted

NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def waiting(obj: Object, live: Object | None) -> Waiting:
    return Waiting(placed=Placed(ref=ref_of(obj), manifest=Manifest(obj=obj, digest="d")), live=live)


def run(cluster: Scripted, *what: Waiting, **options: Any) -> dict[str, Failure]:
    options.setdefault("sleep", Pauses())
    return asyncio.run(settle(cluster, what, **options))


def phase(word: str) -> Object:
    return {**NAMESPACE, "status": {"phase": word}}


def test_what_the_apply_returned_as_usable_costs_no_request() -> None:
    cluster = Scripted()
    assert run(cluster, waiting(NAMESPACE, phase("Active")), waiting(NAMESPACE, NAMESPACE)) == {}
    assert cluster.requests == []


def test_a_namespace_is_waited_for_until_it_is_active() -> None:
    cluster = Scripted(phase("Pending"))
    pauses = Pauses(lambda n: cluster.put(phase("Active")) and None if n == 3 else None)
    assert run(cluster, waiting(NAMESPACE, phase("Pending")), sleep=pauses) == {}
    assert pauses.seconds == [0.1, 0.15, 0.225]


def test_the_bound_is_kept_and_the_reason_told() -> None:
    pauses = Pauses()
    failures = run(Scripted(phase("Odd")), waiting(NAMESPACE, phase("Odd")), sleep=pauses, ms_max=1000)
    assert failures["_shop__Namespace"].message == (
        "Namespace shop: is in phase Odd after 1 s, so that nothing that needs it was applied"
    )
    assert 1 <= sum(pauses.seconds) < 2


def test_who_may_not_read_does_not_wait_and_an_outage_is_waited_out() -> None:
    cluster = Scripted(phase("Active"))
    refusals: list[errors.ClusterError] = [errors.Unavailable("no route")]
    cluster.before = lambda verb, what: refusals.pop() if refusals else None
    assert run(cluster, waiting(NAMESPACE, phase("Odd"))) == {}
    cluster.before = lambda verb, what: errors.Forbidden("no")
    assert run(cluster, waiting(NAMESPACE, phase("Odd"))) == {}
