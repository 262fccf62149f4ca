from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.prune import PruneOptions, PruneResult, prune_set, remaining
from reconciler.api import names
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Pauses, Scripted

OWNER = Owner(namespace="team", name="app")
OURS = names.stage_labels(namespace="team", name="app", stage="s")


def obj(name: str = "a", kind: str = "ConfigMap", *, labels: Any = None, **metadata: Any) -> Object:
    made = {"name": name, "namespace": "shop", "labels": OURS if labels is None else labels, **metadata}
    return {"apiVersion": "apps/v1" if kind == "Deployment" else "v1", "kind": kind, "metadata": made}


def run(cluster: Scripted, *refs: Ref, **options: Any) -> PruneResult:
    options.setdefault("sleep", Pauses())
    return asyncio.run(prune_set(cluster, refs, options=PruneOptions(owner=OWNER, **options)))


def prune(*objects: Object, **options: Any) -> tuple[PruneResult, Scripted]:
    cluster = Scripted(*objects)
    return run(cluster, *(ref_of(o) for o in objects), **options), cluster


def test_owned_objects_are_deleted_in_reverse_kind_order_with_one_get_and_one_delete_each() -> None:
    result, cluster = prune(obj("cm"), obj("d", "Deployment"), obj("s", "Service"))
    assert (result.ok, result.message) == (True, "3 deleted")
    deleted = [name.split()[0] for verb, name in cluster.requests if verb == "delete"]
    assert deleted == ["Deployment", "Service", "ConfigMap"]
    assert [e.ref.kind for e in result.entries] == deleted
    assert (len(cluster.requests), cluster.objects) == (6, {})
    assert result.entries[0].id == "shop_d_apps_Deployment"
    assert result.entries[0].uid == "uid-2"


def test_what_is_gone_needs_no_delete_even_if_its_kind_is_gone() -> None:
    cluster = Scripted()
    result = run(cluster, ref_of(obj("a")), Ref("example.com/v1", "Widget", "shop", "w"))
    assert [e.result for e in result.entries] == ["gone", "gone"]
    assert cluster.count("delete") == 0


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (names.owner_labels(namespace="team", name="other"), "it belongs to StageSet team/other now"),
        (names.owner_labels(namespace="b", name="app"), "it belongs to StageSet b/app now"),
        ({}, "its owner labels were removed"),
        ({names.LABEL_NAME: "app"}, "its owner labels were removed"),
    ],
)
def test_what_is_not_ours_any_more_is_handed_over(labels: dict[str, str], reason: str) -> None:
    result, cluster = prune(obj(labels=labels))
    assert [(e.result, e.reason) for e in result.entries] == [("handed-over", reason)]
    assert result.ok
    assert cluster.count("delete") == 0


@pytest.mark.parametrize(
    "metadata", [{"labels": {**OURS, names.PRUNE: "disabled"}}, {"annotations": {names.PRUNE: "DisAbled"}}]
)
def test_what_opted_out_stays_ours(metadata: dict[str, Any]) -> None:
    result, cluster = prune(obj(**metadata))
    assert [(e.result, e.reason) for e in result.entries] == [("kept", "it has stages.metio.wtf/prune: disabled")]
    assert result.message == "1 kept (ConfigMap shop/a: it has stages.metio.wtf/prune: disabled)"
    assert len(cluster.objects) == 1


def test_what_another_stage_renders_is_not_even_looked_at() -> None:
    result, cluster = prune(obj(), rendered={"shop_a__ConfigMap"})
    assert [e.result for e in result.entries] == ["kept"]
    assert cluster.requests == []


def test_what_is_already_being_deleted_is_not_asked_for_again() -> None:
    result, cluster = prune(obj(deletionTimestamp="2023-01-01T00:00:00Z"))
    assert [e.result for e in result.entries] == ["deleted"]
    assert cluster.count("delete") == 0


def test_a_namesake_that_appears_in_between_is_looked_at_before_it_is_touched() -> None:
    cluster = Scripted(obj())
    ref = ref_of(obj())

    def swap(verb: str, what: Any) -> None:
        if verb == "delete" and cluster.objects[ref]["metadata"]["uid"] == "uid-1":
            cluster.put(obj(labels={}))

    cluster.before = swap
    result = run(cluster, ref)
    assert [e.result for e in result.entries] == ["handed-over"]
    assert ref in cluster.objects


def test_a_lost_answer_is_resolved_by_looking_again() -> None:
    cluster = Scripted(obj())
    lost = iter([errors.Unavailable("reset")])
    cluster.after = lambda verb, what: next(lost, None) if verb == "delete" else None
    assert [e.result for e in run(cluster, ref_of(obj())).entries] == ["gone"]


def test_a_refusal_keeps_the_status_and_stops_what_comes_after_it() -> None:
    cluster = Scripted(obj("d", "Deployment"), obj("e", "Deployment"), obj("cm"))
    error = errors.Forbidden("deployments.apps is forbidden", status={"reason": "Forbidden", "code": 403})
    cluster.before = lambda verb, what: error if verb == "delete" and what.kind == "Deployment" else None
    result = run(cluster, *cluster.objects)
    assert not result.ok
    assert [e.result for e in result.entries] == ["failed", "failed", "skipped"]
    assert result.message == "Deployment shop/e: deployments.apps is forbidden; 1 other object failed too"
    assert result.evidence()["failures"][0]["status"] == {"reason": "Forbidden", "code": 403}
    assert len(cluster.objects) == 3


def test_an_outage_gives_up_after_some_tries_and_is_retryable() -> None:
    cluster, pauses = Scripted(obj()), Pauses()
    cluster.before = lambda verb, what: errors.Unavailable("no route")
    result = run(cluster, ref_of(obj()), sleep=pauses)
    assert (result.ok, result.retryable, cluster.count("get"), len(pauses.seconds)) == (False, True, 3, 2)


def test_nothing_to_prune() -> None:
    assert run(Scripted()).message == "nothing to prune"


def test_entries_are_told_as_they_come() -> None:
    told: list[str] = []
    prune(obj("a"), obj("b"), on_entry=lambda entry: told.append(entry.id))
    assert sorted(told) == ["shop_a__ConfigMap", "shop_b__ConfigMap"]


def test_remaining_are_those_that_still_exist_and_are_ours() -> None:
    cluster = Scripted(obj("a"), obj("theirs", labels={}), obj("kept", annotations={names.PRUNE: "disabled"}))
    refs = [*cluster.objects, Ref("v1", "ConfigMap", "shop", "gone")]
    assert [r.name for r in asyncio.run(remaining(cluster, refs, owner=OWNER))] == ["a"]
