from __future__ import annotations

import asyncio

import pytest

from reconciler import errors
from reconciler.adapters.operations.existing import Live, Owner, live_of, read_existing
from reconciler.api import names
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Scripted

OWNER = Owner(namespace="team", name="app")


def config(name: str, namespace: str = "shop", *, owned: bool = True) -> Object:
    labels = names.owner_labels(namespace="team", name="app") if owned else {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }


def ref(name: str, namespace: str = "shop") -> Ref:
    return Ref("v1", "ConfigMap", namespace, name)


def read(cluster: Scripted, *refs: Ref) -> dict[Ref, Live | None]:
    return asyncio.run(read_existing(cluster, refs, limit=4))


def test_one_request_for_each_kind_and_namespace() -> None:
    cluster = Scripted(config("a"), config("b"), config("c", "other"))
    found = read(cluster, ref("a"), ref("b"), ref("new"), ref("c", "other"), ref("none", "empty"))
    assert sorted(cluster.requests) == [
        ("get", "ConfigMap empty/none"),
        ("get", "ConfigMap other/c"),
        ("list", "ConfigMap shop/*"),
    ]
    assert {r.name: live is not None for r, live in found.items()} == {"a": True, "b": True, "c": True, "none": False}


def test_a_list_by_label_says_nothing_of_what_has_no_label() -> None:
    assert read(Scripted(config("a", owned=False)), ref("a"), ref("b")) == {}


def test_of_a_kind_that_is_not_served_there_is_nothing() -> None:
    widgets = [Ref("example.com/v1", "Widget", "shop", name) for name in "ab"]
    assert read(Scripted(), *widgets) == dict.fromkeys(widgets)
    assert read(Scripted(), widgets[0]) == {widgets[0]: None}


def test_an_outage_is_not_swallowed() -> None:
    cluster = Scripted()
    cluster.before = lambda verb, what: errors.Unavailable("no route")
    with pytest.raises(errors.Unavailable):
        read(cluster, ref("a"))


@pytest.mark.parametrize(
    ("labels", "owned", "other"),
    [
        (names.owner_labels(namespace="team", name="app"), True, ""),
        (names.owner_labels(namespace="team", name="b"), False, "team/b"),
        ({names.LABEL_NAME: "b"}, False, "?/b"),
        ({names.LABEL_NAME: "app"}, False, ""),
        ({}, False, ""),
    ],
)
def test_who_owns_it(labels: dict[str, str], owned: bool, other: str) -> None:
    live = Live(uid="u", labels=labels)
    assert (OWNER.owns(live), OWNER.other(live)) == (owned, other)


def test_metadata_of_odd_objects() -> None:
    assert live_of({}) == Live(uid="")
    odd = {"metadata": {"uid": "u", "generation": "x", "labels": {"a": 1, "b": "2"}, "deletionTimestamp": "now"}}
    assert live_of(odd) == Live(uid="u", labels={"b": "2"}, terminating=True)
