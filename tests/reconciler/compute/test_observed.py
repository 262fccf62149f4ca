"""A StageSet reduced to what is needed of it, and its spec read."""

from __future__ import annotations

import pytest

from reconciler.api import names
from reconciler.api.types import StageSet
from reconciler.compute.observed import project_stageset, read_spec, sources_of, status_mark
from reconciler.ports.cluster import Scope
from reconciler.triggers import Obstacle

SCOPE = Scope(names.API_VERSION, "StageSet")
OBJECT = {
    "apiVersion": names.API_VERSION,
    "kind": "StageSet",
    "metadata": {
        "namespace": "shop", "name": "rel", "uid": "u", "generation": 3, "resourceVersion": "41",
        "finalizers": ["a", "b"], "managedFields": [{"manager": "m"}], "labels": {"big": "x"},
        "annotations": {names.REQUESTED_AT: "now", "kubectl.kubernetes.io/last-applied-configuration": "{…}"},
    },
    "spec": {"stages": [{"name": "db", "sourceRef": {"name": "db"}}], "suspend": False},
    "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded"}]},
}  # fmt: skip


def observed(**changes):
    return project_stageset(SCOPE, {**OBJECT, **changes})


def test_what_is_kept_of_it():
    found = observed()
    assert (found.namespace, found.name, found.uid, found.generation, found.resource_version) == (
        "shop", "rel", "u", 3, "41",
    )  # fmt: skip
    assert (found.requested_at, found.deleting, found.finalizers) == ("now", False, ("a", "b"))
    assert found.ready == ("True", "Succeeded")
    assert found.stream == "stageset/shop/rel/u"
    assert found.status == status_mark(OBJECT["status"])


def test_a_change_of_nothing_that_is_read_makes_no_difference():
    meta = {**OBJECT["metadata"], "labels": {}, "managedFields": [], "annotations": {names.REQUESTED_AT: "now"}}
    assert observed(metadata=meta) == observed()
    assert observed(metadata={**meta, "annotations": {}}) != observed()


def test_words_that_many_have_in_common_are_kept_once():
    one, other = observed(), observed(metadata={**OBJECT["metadata"], "name": "".join(["o", "ther"])})
    assert one.finalizers is other.finalizers
    assert one.ready is other.ready


def test_a_status_that_changed_has_another_mark():
    assert status_mark(None) == status_mark({}) == ""
    assert status_mark({"a": 1, "b": 2}) == status_mark({"b": 2, "a": 1})
    assert observed(status={"a": 1}).status != observed().status


def test_one_that_is_bare():
    found = project_stageset(SCOPE, {"metadata": {"name": "rel", "namespace": "shop", "uid": "u"}})
    assert (found.generation, found.requested_at, found.finalizers, found.ready) == (0, "", (), ("", ""))
    assert isinstance(read_spec(found), Obstacle)


def test_one_that_is_being_deleted():
    meta = {**OBJECT["metadata"], "deletionTimestamp": "2030-01-01T00:00:00Z"}
    assert observed(metadata=meta).deleting


def test_a_good_spec_is_read_with_its_sources():
    found = read_spec(observed())
    assert isinstance(found, StageSet)
    source = (names.SOURCE_API_VERSION, "ExternalArtifact", "shop", "db")
    assert sources_of(found, namespace="shop") == [("db", "", source)]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"stages": []}, "stages"),
        ({"stages": [{"name": "Not", "sourceRef": {"name": "db"}}]}, "name"),
        ({"stages": [{"name": "db", "sourceRef": {"name": "db"}}], "interval": "soon"}, "interval"),
        (
            {"stages": [{"name": "db", "sourceRef": {"name": "db"}}], "updateWindows": [{"type": "Deny"}]},
            "updateWindows",
        ),
    ],
)
def test_what_is_wrong_or_not_supported_is_an_obstacle_that_names_the_field(spec, words):
    found = read_spec(observed(spec=spec))
    assert isinstance(found, Obstacle)
    assert found.reason == "InvalidSpec"
    assert words in found.message
