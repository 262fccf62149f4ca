"""What is kept of an object changes when the object does, and not when only its status does."""

from __future__ import annotations

import sys

import pytest

from reconciler.adapters.drift.kept import SELECTOR, expected, is_kept, kept_of, kept_of_live
from reconciler.adapters.operations.existing import live_of
from reconciler.api import names
from reconciler.ports.cluster import Scope
from reconciler.state import Owned

LABELS = names.stage_labels(namespace="shop", name="rel", stage="db")


def obj(**metadata):
    base = {"uid": "u", "resourceVersion": "7", "generation": 2, "labels": LABELS, "annotations": {"a": "b"}}
    return {"kind": "X", "metadata": {**base, **metadata}}


def test_whose_it_is():
    assert kept_of(obj()).owner == ("shop", "rel")
    assert kept_of({}).owner == ("", "")


@pytest.mark.parametrize(
    ("change", "version", "labels"),
    [
        ({"resourceVersion": "8"}, False, False),
        ({"managedFields": [{}]}, False, False),
        ({"annotations": {"a": "b", "deployment.kubernetes.io/revision": "3"}}, False, False),
        ({"generation": 3}, True, False),
        ({"uid": "v"}, True, False),
        ({"annotations": {"a": "c"}}, False, True),
        ({"labels": {**LABELS, "x": "y"}}, False, True),
        # The same words in another place.
        ({"labels": {**LABELS, "a": "b"}, "annotations": {}}, False, True),
    ],
)
def test_what_counts_as_a_change(change, version, labels):
    before, after = kept_of(obj()), kept_of(obj(**change))
    assert (before.version != after.version, before.labels != after.labels) == (version, labels)


def test_a_kind_without_generations_is_compared_by_its_version():
    before = kept_of(obj(generation=None))
    assert kept_of(obj(generation=None, resourceVersion="8")).version != before.version


def test_what_is_as_it_was_applied_has_the_mark_of_that():
    owned = Owned(id="x", v="v1", uid="u", rv="7", generation=2)
    assert kept_of(obj()).version == expected(owned)
    assert kept_of(obj(generation=None)).version == expected(Owned(id="x", v="v1", uid="u", rv="7"))
    assert kept_of_live(live_of(obj())) == kept_of(obj())


def test_tens_of_thousands_fit():
    kept = kept_of(obj())
    assert kept.namespace is kept_of(obj()).namespace, "names are kept once"
    assert sum(map(sys.getsizeof, (kept, kept.version, kept.labels))) < 200


def test_which_scopes_are_drifts():
    assert is_kept(Scope("v1", "X", label_selector=SELECTOR, metadata_only=True))
    assert not is_kept(Scope("v1", "X", label_selector=SELECTOR))
    assert not is_kept(Scope("v1", "X", metadata_only=True))
