from __future__ import annotations

import random
from typing import Any

import pytest

from reconciler.compute.order import (
    apply_order,
    deletion_order,
    group_index,
    ref_of,
    ref_words,
    some,
    sort_key,
    stamped,
    unchanged,
)
from reconciler.ports.cluster import Ref

#: CONTRACT §4.6, with a kind it does not name in the place of "others".
CONTRACT_ORDER = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
    "Widget",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
]


def ref(kind: str, name: str = "x", namespace: str = "n", api: str = "v1") -> Ref:
    return Ref(api, kind, namespace, name)


def test_kinds_are_applied_in_the_order_of_the_contract_and_deleted_in_reverse() -> None:
    refs = [ref(kind) for kind in CONTRACT_ORDER]
    random.Random(7).shuffle(refs)
    applied = [r.kind for group in apply_order(refs) for rank in group for r in rank]
    assert applied == CONTRACT_ORDER
    assert [r.kind for rank in deletion_order(refs) for r in rank] == CONTRACT_ORDER[::-1]


def test_three_groups() -> None:
    assert [group_index(k) for k in ("CustomResourceDefinition", "Namespace", "ClusterRole")] == [0, 0, 0]
    assert [group_index(k) for k in ("StorageClass", "FooClass")] == [1, 1]
    assert [group_index(k) for k in ("ClusterRoleBinding", "ConfigMap", "Classy")] == [2, 2, 2]
    groups = apply_order([ref("ConfigMap"), ref("FooClass"), ref("Namespace"), ref("Secret")])
    assert [[[r.kind for r in rank] for rank in g] for g in groups] == [
        [["Namespace"]],
        [["FooClass"]],
        [["ConfigMap"], ["Secret"]],
    ]


def test_inside_a_rank_group_kind_namespace_and_name_decide() -> None:
    refs = [ref("B", api="b/v1"), ref("A", api="b/v1"), ref("Z", api="a/v1"), ref("Z", "w", "m", api="a/v1")]
    assert sorted(refs, key=sort_key) == [refs[3], refs[2], refs[1], refs[0]]
    assert len(apply_order(refs)[0]) == 1


def test_names_of_objects() -> None:
    found = ref_of({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}})
    assert found == Ref("v1", "ConfigMap", "b", "a")
    assert ref_words(found) == "ConfigMap b/a"
    assert ref_words(Ref("v1", "Namespace", "", "b")) == "Namespace b"
    assert ref_of({}) == Ref("", "", "", "")


def test_stamping_copies_and_wins() -> None:
    given: dict[str, Any] = {"kind": "X", "metadata": {"name": "a", "labels": {"mine": "1", "o": "old"}}}
    assert stamped(given, labels={"o": "new"})["metadata"]["labels"] == {"mine": "1", "o": "new"}
    assert given["metadata"]["labels"]["o"] == "old"
    assert stamped({}, labels={"o": "new"})["metadata"] == {"labels": {"o": "new"}}


DESIRED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "namespace": "b", "labels": {"l": "1"}, "annotations": {"a": "1"}},
    "spec": {"ports": [{"port": 80}], "selector": {"app": "a"}},
}


def live(**change: Any) -> dict[str, Any]:
    metadata = {**DESIRED["metadata"], "uid": "u", "labels": {"l": "1", "more": "2"}, "resourceVersion": "7"}
    spec = {"ports": [{"port": 80, "protocol": "TCP"}], "selector": {"app": "a"}, "clusterIP": "10.0.0.1"}
    return {**DESIRED, "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}, **change}


def test_unchanged_allows_what_the_server_adds() -> None:
    assert unchanged(DESIRED, live())


@pytest.mark.parametrize(
    "changed",
    [
        live(spec={"ports": [{"port": 81}], "selector": {"app": "a"}}),
        live(spec={"ports": [{"port": 80}, {"port": 81}], "selector": {"app": "a"}}),
        live(spec={"ports": [{"port": True}], "selector": {"app": "a"}}),
        live(spec={"ports": [{"port": 80}]}),
        live(metadata={"name": "a", "namespace": "b", "labels": {"l": "2"}, "annotations": {"a": "1"}}),
        live(metadata={"name": "a", "namespace": "b", "labels": {"l": "1"}}),
        live(kind="Other"),
        {},
    ],
)
def test_unchanged_sees_every_difference(changed: dict[str, Any]) -> None:
    assert not unchanged(DESIRED, changed)


def test_a_cut_list_says_how_much_is_missing() -> None:
    assert some(["a", "b", "c"], items_max=2) == "a; b; and 1 more"
    assert some(["a", "b"], items_max=2) == "a; b"
