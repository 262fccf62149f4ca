"""Where two versions of an object differ, and how that is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.differences import differences, is_below, is_rendered, parts, pointer


def obj(**fields):
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, **fields}


@pytest.mark.parametrize(
    ("live", "wanted", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["/spec/a"]),
        ({"a": 1}, {"a": True}, ["/spec/a"]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2, "d": {"e": 1}}}}, ["/spec/a/b/c", "/spec/a/b/d"]),
        ({"a": 1, "b": 2}, {"b": 2}, ["/spec/a"]),
        ({"a/b": 1, "c~d": 1}, {"a/b": 2, "c~d": 2}, ["/spec/a~1b", "/spec/c~0d"]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, ["/spec/a/1", "/spec/a/2"]),
        ({"a": [1, 2]}, {"a": [1]}, ["/spec/a/1"]),
        ({"a": [1]}, {"a": {"b": 1}}, ["/spec/a"]),
        # By their names, wherever they are.
        (
            {"a": [{"name": "x", "v": 1}, {"name": "y", "v": 1}]},
            {"a": [{"name": "y", "v": 2}, {"name": "x", "v": 1}]},
            ["/spec/a/0/v"],
        ),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "z"}, {"name": "x"}]}, ["/spec/a/0"]),
        ({"a": [{"name": "x"}, {"name": "by-hand"}]}, {"a": [{"name": "x"}]}, ["/spec/a/1"]),
        ({"p": [{"port": 1, "t": 1}, {"port": 2}]}, {"p": [{"port": 2}, {"port": 1, "t": 2}]}, ["/spec/p/1/t"]),
        # Names that two items share tell nothing apart.
        ({"a": [{"name": "x", "v": 1}, {"name": "x", "v": 2}]}, {"a": [{"name": "x", "v": 1}]}, ["/spec/a/1"]),
        ({"a": [{"name": {}}]}, {"a": [{"name": {}}]}, []),
    ],
)
def test_where_they_differ(live, wanted, found):
    assert [pointer(path) for path in differences(obj(spec=live), obj(spec=wanted))] == found


def test_what_the_server_keeps_for_itself_is_no_difference():
    server = {
        "resourceVersion": "1", "generation": 2, "uid": "u", "managedFields": [{}], "creationTimestamp": "x",
        "selfLink": "y", "deletionTimestamp": "z",
    }  # fmt: skip
    assert differences(obj(status={"a": 1}) | {"metadata": {"name": "a", **server}}, obj()) == []
    labelled = obj() | {"metadata": {"name": "a", "labels": {"x": "y"}}}
    assert differences(labelled, obj()) == [("metadata", "labels")]


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        (("spec", "a"), True),
        (("spec",), True),
        (("spec", "b"), False),
        (("spec", "a", "deeper"), False),
        (("metadata", "annotations", "injected"), False),
        (("spec", "list", 7), True),
        (("spec", "list", 0, "x"), True),
        (("spec", "a", 0), False),
    ],
)
def test_what_is_rendered(path, rendered):
    assert is_rendered(path, obj(spec={"a": 1, "list": [{"y": 1}]})) is rendered


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab/~", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a", "b/c"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_equal_objects_and_only_those_have_no_difference(one, other):
    assert differences(obj(spec=one), obj(spec=one)) == []
    if not differences(obj(spec=one), obj(spec=other)):
        assert _unordered(one) == _unordered(other)


def _unordered(value):
    """Lists of named items are sets of them."""
    if isinstance(value, dict):
        return {key: _unordered(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return (type(value), value)
    return sorted((_unordered(item) for item in value), key=repr)


@given(st.lists(st.text("ab/~", max_size=4), max_size=4))
def test_a_pointer_is_read_as_it_was_written(path):
    assert parts(pointer(tuple(path))) == tuple(path)


def test_below_a_pointer():
    assert is_below(("spec", "a", 0, "b"), ("spec", "a", "0"))
    assert is_below(("spec",), ("spec",))
    assert not is_below(("spec",), ("spec", "a"))
    assert not is_below(("special",), ("spec",))
