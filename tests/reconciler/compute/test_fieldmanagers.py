"""Who owns a field, read from `managedFields` as an API server writes them."""

from __future__ import annotations

import pytest

from reconciler.compute.fieldmanagers import MANAGER_CHARS_MAX, is_own, other_manager, owns

OBJ = {
    "spec": {"replicas": 3, "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}], "set": ["p", "q"]}
}
FIELDS = {
    "f:spec": {
        "f:replicas": {},
        "f:containers": {'k:{"name":"b"}': {".": {}, "f:name": {}, "f:image": {}}},
        "f:set": {'v:"q"': {}},
        "f:whole": {},
        "f:byindex": {"i:0": {}},
    }
}


def entry(manager="m", fields=FIELDS, operation="Update", time="2030-01-01T00:00:00Z", **more):
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields, **more}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("spec", "replicas"), True),
        (("spec", "other"), False),
        (("spec", "containers", 1, "image"), True),
        (("spec", "containers", 1), True),
        (("spec", "containers", 0, "image"), False),
        (("spec", "containers", 7, "image"), False),
        (("spec", "set", 1), True),
        (("spec", "set", 0), False),
        # Owned as a whole.
        (("spec", "whole", "inner", 3, "x"), True),
        (("spec", "byindex", 0), True),
    ],
)
def test_what_an_entry_has(path, found):
    assert owns(entry(), path, obj=OBJ) is found


@pytest.mark.parametrize(
    "fields",
    [None, [], {}, {"f:spec": []}, {"f:spec": {"f:a": {"f:b": 1}}}, {"f:spec": {"k:{": {}, "k:[]": {}, "k:3": {}}}],
)
def test_what_is_not_understood_has_nothing(fields):
    assert not owns(entry(fields=fields), ("spec", "a", "b"), obj={})
    assert not owns(fields, ("spec", "a", "b"), obj={})


def live(*entries):
    return {**OBJ, "metadata": {"managedFields": list(entries)}}


REPLICAS = ("spec", "replicas")


def test_the_one_who_has_the_field_is_named():
    other = entry("late", {"f:spec": {"f:other": {}}}, time="2031-01-01T00:00:00Z")
    ours = entry("ours", operation="Apply")
    found = live(ours, entry("hpa", subresource="scale"), other)
    assert other_manager(found, [REPLICAS], wanted=OBJ, own="ours") == "hpa"
    assert other_manager(found, [("spec", "x"), REPLICAS], wanted=OBJ, own="ours") == "hpa"


def test_where_nobody_has_it_the_last_one_is_named_and_never_who_wrote_the_status():
    found = live(
        entry("early", {}, time="2030-01-01T00:00:00Z"),
        entry("late", {"f:spec": {"f:other": {}}}, time="2031-01-01T00:00:00Z"),
        entry("kubelet", {"f:status": {}}, time="2032-01-01T00:00:00Z", subresource="status"),
    )
    assert other_manager(found, [REPLICAS], wanted=OBJ, own="ours") == "late"
    assert other_manager(live(entry("ours")), [REPLICAS], wanted=OBJ, own="ours") == ""
    assert other_manager({}, [REPLICAS], wanted=OBJ, own="ours") == ""


def test_a_name_of_any_length_is_cut():
    assert len(other_manager(live(entry("x" * 1000)), [REPLICAS], wanted=OBJ, own="ours")) == MANAGER_CHARS_MAX


def test_what_is_still_our_own():
    assert is_own(live(entry("ours", operation="Apply")), REPLICAS, wanted=OBJ, own="ours")
    assert not is_own(live(entry("ours", operation="Update")), REPLICAS, wanted=OBJ, own="ours")
    assert not is_own(live(entry("hpa", operation="Apply")), REPLICAS, wanted=OBJ, own="ours")
