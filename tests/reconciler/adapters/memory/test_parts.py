"""The pure parts: field sets, quantities, patches, selectors, durations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.memory import fieldset, patch, policy, quantity, selectors, typed
from reconciler.adapters.memory.schema import ANY_SCHEMA, named, of_crd

_KEYS = st.sampled_from(["f:a", "f:b", 'k:{"n":1}', 'v:"x"'])
_NODES = st.recursive(
    st.just({}),
    lambda children: st.dictionaries(_KEYS, children, min_size=1).flatmap(
        lambda found: st.sampled_from([found, {".": {}, **found}])
    ),
    max_leaves=8,
)
_SETS = st.dictionaries(_KEYS, _NODES)


def members(fields: Any) -> set[tuple[str, ...]]:
    return set(fieldset.paths(fields))


@given(_SETS, _SETS)
def test_field_sets_are_sets_of_paths(left: Any, right: Any) -> None:
    assert members(fieldset.union(left, right)) == members(left) | members(right)
    assert members(fieldset.difference(left, right)) == members(left) - members(right)
    assert members(fieldset.intersection(left, right)) == members(left) & members(right)
    below = {path for path in members(left) if any(path[: len(top)] == top for top in members(right))}
    assert members(fieldset.only(left, right)) == below
    assert members(fieldset.without(left, right)) == members(left) - below


_VALUES = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.sampled_from("abc"), children, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3)


@given(_OBJECTS, _OBJECTS)
def test_merging_takes_the_config_and_keeps_the_rest(live: Any, config: Any) -> None:
    merged = typed.merge(live, config, schema=ANY_SCHEMA)
    found = typed.compare(merged, typed.merge(merged, config, schema=ANY_SCHEMA), schema=ANY_SCHEMA)
    assert not any(found), "merging twice changes nothing"
    assert typed.merge(live, {}, schema=ANY_SCHEMA) is live
    for name, value in live.items():
        assert name in config or merged[name] is value


@given(_OBJECTS, _OBJECTS)
def test_comparing_finds_exactly_what_differs(left: Any, right: Any) -> None:
    assert any(typed.compare(left, right, schema=ANY_SCHEMA)) == (not typed.same(left, right))
    turned = typed.compare(right, left, schema=ANY_SCHEMA)
    assert typed.compare(left, right, schema=ANY_SCHEMA).added == turned.removed


def test_json_equality_knows_types() -> None:
    assert not typed.same({"a": 1}, {"a": True})
    assert typed.same({"a": 1, "b": 2}, {"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"), ("1000m", "1"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("1000k", "1M"), ("0", "0"),
        ("1500m", "1500m"), ("100Ki", "100Ki"), ("512", "512"), ("1e3", "1e3"), ("nonsense", "nonsense"),
        ("0.1Mi", "104857600m"), ("1Ki", "1Ki"), ("-2000m", "-2"),
    ],
)  # fmt: skip
def test_quantities(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical
    assert quantity.canonical(canonical) == canonical


def test_rfc_7396_examples() -> None:
    for target, change, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert patch.merge(target, change) == result


def test_json_patch_operations() -> None:
    target = {"a": [1, 2], "b": {"c": 1}}
    moved = patch.json(
        target, [{"op": "move", "from": "/b/c", "path": "/a/-"}, {"op": "add", "path": "/a/0", "value": 0}]
    )
    assert moved == {"a": [0, 1, 2, 1], "b": {}}
    assert (
        patch.json(target, [{"op": "copy", "from": "/a", "path": "/d"}, {"op": "replace", "path": "", "value": 3}]) == 3
    )
    assert target == {"a": [1, 2], "b": {"c": 1}}
    for wrong in (
        {"op": "remove", "path": "/a/9"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "odd", "path": ""},
    ):
        with pytest.raises(patch.PatchError):
            patch.json(target, [wrong])


def test_strategic_directives() -> None:
    schema = named("core.v1.PodSpec")
    pod = {"containers": [{"name": "a", "image": "1"}, {"name": "b"}], "nodeSelector": {"x": "y"}}
    replaced = patch.strategic(pod, {"containers": [{"$patch": "replace"}, {"name": "c"}]}, schema=schema)
    assert replaced["containers"] == [{"name": "c"}]
    assert patch.strategic(pod, {"nodeSelector": {"$patch": "replace", "z": "1"}}, schema=schema)["nodeSelector"] == {
        "z": "1"
    }
    meta = patch.strategic(
        {"finalizers": ["a", "b"]},
        {"$deleteFromPrimitiveList/finalizers": ["a"]},
        schema=named("meta.v1.ObjectMeta"),
    )
    assert meta == {"finalizers": ["b"]}
    with pytest.raises(patch.PatchError, match="does not contain declared merge key: name"):
        patch.strategic(pod, {"containers": [{"image": "x"}]}, schema=schema)


def test_label_selectors() -> None:
    obj = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    for text, wanted in (
        ("a=1", True), ("a==2", False), ("a!=2", True), ("c!=1", True), ("a in (1, 3),b", True), ("a notin (1)", False),
        ("!c", True), ("!a", False), ("", True),
    ):  # fmt: skip
        assert selectors.labels(text)(obj) is wanted, text
    with pytest.raises(ValueError, match="unable to parse requirement"):
        selectors.labels("a in b c")
    expressions = [{"key": "a", "operator": "In", "values": ["1"]}, {"key": "z", "operator": "DoesNotExist"}]
    assert selectors.of_selector({"matchExpressions": expressions})(obj)
    assert not selectors.of_selector(None)(obj)
    assert selectors.of_selector({})(obj)


def test_durations() -> None:
    assert [policy.seconds(text) for text in ("5s", "1m30s", "250ms", "1h", "x", "5")] == [5, 90, 0.25, 3600, 0, 0]


def test_built_in_list_types() -> None:
    pod = named("core.v1.PodSpec")
    assert (pod.child("containers").relation, pod.child("containers").keys) == ("map", ("name",))
    ports = pod.child("containers").item.child("ports")
    assert ports.keys == ("containerPort", "protocol")
    assert ports.item.child("protocol").default == "TCP"
    assert pod.child("tolerations").relation == "atomic"
    assert named("meta.v1.LabelSelector").relation == "atomic"
    assert named("batch.v1.JobStatus").child("conditions").relation == "atomic"
    assert named("apps.v1.DeploymentStatus").child("conditions").keys == ("type",)


def test_custom_types_have_typed_metadata() -> None:
    schema = of_crd({"type": "object", "properties": {"spec": {"type": "object"}}})
    assert schema.child("metadata").child("finalizers").relation == "set"
