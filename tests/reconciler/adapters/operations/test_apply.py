from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.operations.apply import ApplyOptions, apply_set, is_unchanged
from reconciler.adapters.operations.existing import Live, Owner, live_of
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.results import ApplyResult, Known, ObjectResult
from reconciler.api import names
from reconciler.compute.order import stamped
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Pauses, Scripted

OWNER = Owner(namespace="team", name="app")
LABELS = names.stage_labels(namespace="team", name="app", stage="s")
GROUPS = {
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "StorageClass": "storage.k8s.io/v1",
    "Deployment": "apps/v1",
}


def obj(kind: str, name: str, *, namespace: str = "shop", **rest: Any) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": GROUPS.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest}


def manifest(made: Object, digest: str = "d1") -> Manifest:
    return Manifest(obj=stamped(made, labels=LABELS), digest=digest)


def config(name: str, value: str = "1") -> Manifest:
    return manifest(obj("ConfigMap", name, data={"k": value}), digest=f"d{value}")


def run(cluster: Scripted, *manifests: Manifest, **options: Any) -> ApplyResult:
    options.setdefault("sleep", Pauses())
    return asyncio.run(apply_set(cluster, manifests, options=ApplyOptions(owner=OWNER, **options)))


def known_of(result: ApplyResult) -> dict[str, Known]:
    return {
        r.id: Known(digest=r.digest, uid=r.uid, resource_version=r.resource_version, generation=r.generation)
        for r in result.results
    }


def actions(result: ApplyResult) -> list[str]:
    return [r.action for r in result.results]


def widgets_crd(**status: Any) -> Object:
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
    }
    return obj("CustomResourceDefinition", "widgets.example.com", namespace="", spec=spec, **status)


ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}]}
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}


def test_a_new_set_costs_one_patch_for_each_object_and_one_list_for_each_kind_and_namespace() -> None:
    cluster = Scripted()
    result = run(cluster, *(config(f"c{i}") for i in range(50)))
    assert result.ok
    assert result.message == "50 objects applied: 50 created"
    assert (cluster.count("apply"), cluster.count("list"), len(cluster.requests)) == (50, 1, 51)
    assert [r.ref.name for r in result.results] == [f"c{i}" for i in range(50)]
    assert result.results[0].uid
    assert result.results[0].id == "shop_c0__ConfigMap"


def test_what_is_known_to_be_unchanged_costs_no_patch() -> None:
    cluster = Scripted()
    known = known_of(run(cluster, *(config(f"c{i}") for i in range(50))))
    cluster.requests.clear()
    result = run(cluster, *(config(f"c{i}", "2" if i == 7 else "1") for i in range(50)), known=known)
    assert result.message == "50 objects applied: 1 configured, 49 unchanged"
    assert [len(cluster.requests), cluster.count("list"), cluster.count("apply")] == [2, 1, 1]
    assert result.results[0].uid == known["shop_c0__ConfigMap"].uid


def test_with_metadata_from_watches_an_unchanged_set_costs_nothing_at_all() -> None:
    cluster = Scripted()
    known = known_of(run(cluster, config("a"), config("b")))
    live: dict[str, Live | None] = {
        f"shop_{ref.name}__ConfigMap": live_of(stored) for ref, stored in cluster.objects.items()
    }
    cluster.requests.clear()
    result = run(cluster, config("a"), config("b"), known=known, live=live)
    assert actions(result) == ["unchanged", "unchanged"]
    assert cluster.requests == []


def test_drift_is_corrected_and_reported_as_configured() -> None:
    cluster = Scripted()
    known = known_of(run(cluster, config("a"), config("b")))
    ref = Ref("v1", "ConfigMap", "shop", "a")
    cluster.put({**cluster.objects[ref], "data": {"k": "drifted"}})
    result = run(cluster, config("a"), config("b"), known=known)
    assert actions(result) == ["configured", "unchanged"]
    assert cluster.objects[ref]["data"] == {"k": "1"}


def test_an_object_that_was_deleted_is_created_again() -> None:
    cluster = Scripted()
    known = known_of(run(cluster, config("a")))
    cluster.objects.clear()
    assert actions(run(cluster, config("a"), known=known)) == ["created"]


def test_an_object_that_exists_without_owner_is_taken_over_as_configured() -> None:
    cluster = Scripted(obj("ConfigMap", "a", data={"k": "0"}), obj("ConfigMap", "b", data={"k": "0"}))
    assert actions(run(cluster, config("a"))) == ["configured"]
    assert actions(run(cluster, config("b"), config("c"), config("a"))) == ["configured", "created", "unchanged"]


@pytest.mark.parametrize("others", [0, 5])
def test_an_object_of_another_stageset_is_refused_before_anything_is_written(others: int) -> None:
    theirs = names.owner_labels(namespace="team-b", name="other")
    cluster = Scripted(stamped(obj("ConfigMap", "z", data={}), labels=theirs))
    result = run(cluster, *(config(f"a{i}") for i in range(others)), config("z"))
    assert not result.ok
    assert result.reason == "OwnedByAnother"
    assert not result.retryable
    assert result.message == (
        "ConfigMap shop/z belongs to StageSet team-b/other (labels stages.metio.wtf/name and"
        " stages.metio.wtf/namespace), not to StageSet team/app: take it out of one of the two, or remove the labels"
        " to hand it over"
    )
    assert actions(result) == ["skipped"] * others + ["failed"]
    assert cluster.count("apply") == 0


def test_an_object_that_another_stage_of_the_same_stageset_owns_is_moved() -> None:
    cluster = Scripted(
        stamped(obj("ConfigMap", "a", data={}), labels=names.stage_labels(namespace="team", name="app", stage="old"))
    )
    assert actions(run(cluster, config("a"))) == ["configured"]


def test_kinds_are_written_in_order_and_definitions_are_waited_for() -> None:
    cluster = Scripted()

    def establish(pause: int) -> None:
        crd = cluster.objects[
            Ref(GROUPS["CustomResourceDefinition"], "CustomResourceDefinition", "", "widgets.example.com")
        ]
        if pause == 2:
            cluster.put({**crd, "status": ESTABLISHED})
        if pause == 4:
            cluster.kinds.add(("example.com/v1", "Widget"))

    pauses, progress = Pauses(establish), list[str]()
    given = (manifest(WIDGET), config("a"), manifest(obj("Namespace", "shop", namespace="")), manifest(widgets_crd()))
    result = run(cluster, *given, sleep=pauses, on_progress=progress.append)
    assert result.ok, result.message
    assert [name.split()[0] for verb, name in cluster.requests if verb == "apply"] == [
        "CustomResourceDefinition",
        "Namespace",
        "ConfigMap",
        "Widget",
    ]
    assert len(pauses.seconds) == 4
    assert progress[0] == ("waiting for CustomResourceDefinition widgets.example.com: is not established yet")
    assert progress[-1].endswith("example.com/v1 Widget is not served yet")


def test_a_definition_that_never_becomes_usable_ends_the_wait_and_says_so() -> None:
    cluster, pauses = Scripted(), Pauses()
    result = run(cluster, manifest(widgets_crd()), manifest(WIDGET), sleep=pauses)
    assert actions(result) == ["created", "skipped"]
    assert result.results[0].owned
    assert (result.reason, result.retryable) == ("NotUsable", True)
    assert result.message.startswith("CustomResourceDefinition widgets.example.com: is not established yet after 6")
    assert 60 <= sum(pauses.seconds) < 63


def test_a_refused_definition_ends_the_wait_at_once() -> None:
    cluster, pauses = Scripted(), Pauses()
    refused = {"conditions": [{"type": "NamesAccepted", "status": "False", "message": "plural widgets is taken"}]}
    result = run(cluster, manifest(widgets_crd(status=refused)), manifest(WIDGET), sleep=pauses)
    assert pauses.seconds == []
    assert "plural widgets is taken" in result.message


def test_definitions_alone_are_not_waited_for() -> None:
    pauses = Pauses()
    assert run(Scripted(), manifest(widgets_crd()), sleep=pauses).ok
    assert pauses.seconds == []


def test_an_unknown_kind_is_refused_before_anything_is_written() -> None:
    cluster = Scripted()
    result = run(cluster, config("a"), manifest(WIDGET))
    assert actions(result) == ["skipped", "failed"]
    assert result.message == (
        'Widget shop/w: no matches for kind "Widget" in version "example.com/v1"; '
        "install its CustomResourceDefinition in this or an earlier stage"
    )
    assert cluster.requests == []


def test_a_namespaced_object_needs_a_namespace_and_a_cluster_scoped_one_loses_it() -> None:
    result = run(Scripted(), manifest(obj("ConfigMap", "a", namespace="")))
    assert result.message.startswith("ConfigMap a: metadata.namespace is missing, and ConfigMap is a namespaced kind;")
    cluster = Scripted()
    result = run(cluster, manifest(obj("ClusterRole", "r", namespace="shop")))
    assert result.results[0].id == "_r_rbac.authorization.k8s.io_ClusterRole"
    assert "namespace" not in next(iter(cluster.objects.values()))["metadata"]


def test_an_object_rendered_twice_is_refused() -> None:
    result = run(Scripted(), config("a"), config("a", "2"))
    assert (result.reason, actions(result)) == ("DuplicateObject", ["skipped", "failed"])


DENIED = (
    'configmaps "c1" is forbidden: User "system:serviceaccount:team:deployer" cannot patch resource "configmaps" '
    'in API group "" in the namespace "shop"'
)


def refuse(error: Exception, *refused: str) -> Any:
    return lambda verb, what: error if verb == "apply" and what.name in refused else None


def test_a_denial_names_who_verb_resource_and_namespace_and_keeps_the_status() -> None:
    cluster = Scripted()
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": DENIED}
    cluster.before = refuse(errors.Forbidden(DENIED, status=status), "c1", "c2")
    service = manifest(obj("Service", "s"))
    result = run(cluster, config("c0"), config("c1"), config("c2"), service)
    assert actions(result) == ["created", "failed", "failed", "skipped"]
    assert (result.reason, result.retryable) == ("Forbidden", False)
    assert result.message == (
        f"ConfigMap shop/c1: {DENIED}; give system:serviceaccount:team:deployer a Role that allows patch on configmaps"
        ' in namespace shop: {apiGroups: [""], resources: ["configmaps"], verbs: ["patch"]}; 1 other object failed too'
    )
    assert result.evidence()["failures"][0]["status"] == status
    assert not result.results[1].maybe


def test_an_immutable_field_is_named_with_the_way_to_replace_the_object() -> None:
    cluster = Scripted()
    causes = [
        {"reason": "FieldValueInvalid", "message": "Invalid value: {}: field is immutable", "field": "spec.selector"}
    ]
    status = {"reason": "Invalid", "details": {"causes": causes}}
    cluster.before = refuse(errors.Invalid("spec.selector: field is immutable", status=status), "web")
    result = run(cluster, manifest(obj("Deployment", "web", spec={})))
    assert (result.reason, result.retryable) == ("ImmutableField", False)
    assert result.results[0].failure is not None
    assert result.results[0].failure.immutable == ("spec.selector",)
    assert (
        "the live object cannot change spec.selector: restore the old value, or allow that the object is deleted and "
        "made anew with a rule in stages[].conflictPolicy.rules: {target: {kind: Deployment, name: web}, action: "
        "Recreate}" in result.message
    )


def test_values_of_secrets_are_scrubbed_from_everything_that_is_kept() -> None:
    cluster = Scripted()
    status = {"message": "hunter2 is bad", "details": {"causes": [{"message": "hunter2", "field": "x"}]}}
    cluster.before = refuse(errors.Invalid("Invalid value: hunter2", status=status), "a")
    result = run(cluster, config("a"), scrub=lambda words: words.replace("hunter2", "***"))
    assert "hunter2" not in repr(result)
    assert "hunter2" not in repr(result.evidence())


def test_a_lost_answer_is_looked_for_in_the_cluster() -> None:
    cluster = Scripted()
    lost = iter([errors.Unavailable("connection reset")])
    cluster.after = lambda verb, what: next(lost, None) if verb == "apply" else None
    result = run(cluster, config("a"))
    assert actions(result) == ["created"]
    assert (cluster.count("apply"), cluster.count("get")) == (1, 2)


def test_a_request_that_never_arrived_is_sent_again() -> None:
    cluster = Scripted()
    lost = iter([errors.Unavailable("connection refused"), errors.TooManyRequests("slow down", retry_after_s=3)])
    cluster.before = lambda verb, what: next(lost, None) if verb == "apply" else None
    pauses = Pauses()
    assert actions(run(cluster, config("a"), sleep=pauses)) == ["created"]
    assert pauses.seconds == [0.2, 3]


def test_a_lost_request_is_not_mistaken_for_a_lost_answer() -> None:
    cluster = Scripted()
    known = known_of(run(cluster, config("a")))
    lost = iter([errors.Unavailable("connection refused")])
    cluster.before = lambda verb, what: next(lost, None) if verb == "apply" else None
    assert actions(run(cluster, config("a", "2"), known=known)) == ["configured"]
    assert cluster.objects[Ref("v1", "ConfigMap", "shop", "a")]["data"] == {"k": "2"}


def test_an_outage_fails_retryably_and_says_that_the_object_may_exist() -> None:
    cluster = Scripted()
    cluster.before = lambda verb, what: errors.Unavailable("no route to host") if verb == "apply" else None
    result = run(cluster, config("a"))
    assert (result.retryable, result.results[0].maybe, result.results[0].action) == (True, True, "failed")
    cluster.before = lambda verb, what: errors.Unavailable("no route to host")
    result = run(cluster, config("a"), config("b"))
    assert actions(result) == ["failed", "skipped"]
    assert result.retryable
    assert not result.results[0].maybe


def test_an_object_that_is_being_deleted_is_a_failure_that_heals() -> None:
    dying = stamped(obj("ConfigMap", "a", data={"k": "1"}), labels=LABELS)
    dying["metadata"]["deletionTimestamp"] = "2023-01-01T00:00:00Z"
    result = run(Scripted(dying), config("a"))
    assert (result.reason, result.retryable) == ("Terminating", True)


def test_where_listing_is_forbidden_objects_are_read_one_by_one_and_where_that_is_too_not_at_all() -> None:
    theirs = names.owner_labels(namespace="team-b", name="other")
    cluster = Scripted(stamped(obj("ConfigMap", "a"), labels=theirs))
    cluster.before = lambda verb, what: errors.Forbidden("no") if verb == "list" else None
    assert run(cluster, config("a"), config("b")).reason == "OwnedByAnother"
    assert cluster.count("get") == 2
    cluster.before = lambda verb, what: errors.Forbidden("no") if verb in ("list", "get") else None
    assert actions(run(cluster, config("c"), config("d"))) == ["created", "created"]


def test_what_is_done_when_cancelled_was_told() -> None:
    cluster = Scripted()
    told: list[ObjectResult] = []

    async def scenario() -> None:
        task: asyncio.Task[Any] | None = None

        def cancel(verb: str, what: Any) -> Exception | None:
            if verb == "apply" and what.kind == "Service" and task is not None:
                task.cancel()
                return asyncio.CancelledError()  # type: ignore[return-value]
            return None

        cluster.before = cancel
        options = ApplyOptions(owner=OWNER, on_result=told.append)
        task = asyncio.create_task(apply_set(cluster, [config("a"), manifest(obj("Service", "s"))], options=options))
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert [r.ref.name for r in told] == ["a"]


def test_an_empty_set_is_applied() -> None:
    result = run(Scripted())
    assert (result.ok, result.message) == (True, "0 objects applied")


LIVE = Live(uid="u", resource_version="9", generation=2, labels={"a": "1", "x": "y"}, annotations={"n": "1"})
LABELLED = Manifest(obj={"metadata": {"labels": {"a": "1"}, "annotations": {"n": "1"}}}, digest="d")
KNOWN = Known(digest="d", uid="u", resource_version="8", generation=2)


@pytest.mark.parametrize(
    ("known", "live", "unchanged"),
    [
        (KNOWN, LIVE, True),
        (None, LIVE, False),
        (KNOWN, None, False),
        (Known(digest="other", uid="u", resource_version="9", generation=2), LIVE, False),
        (Known(digest="d", uid="older", resource_version="9", generation=2), LIVE, False),
        (Known(digest="d", uid="u", resource_version="9", generation=1), LIVE, True),
        (Known(digest="d", uid="u", resource_version="8", generation=1), LIVE, False),
        (Known(digest="d", uid="u", resource_version="8"), LIVE, False),
        (KNOWN, Live(uid="u", resource_version="9", generation=2, labels={"a": "1"}), False),
        (KNOWN, Live(uid="u", resource_version="9", generation=2, annotations={"n": "1"}), False),
        (
            Known(digest="d", uid="u", resource_version="9"),
            Live(uid="u", resource_version="9", terminating=True),
            False,
        ),
    ],
)
def test_what_proves_that_nothing_changed(known: Known | None, live: Live | None, unchanged: bool) -> None:
    assert is_unchanged(LABELLED, known=known, live=live) is unchanged
