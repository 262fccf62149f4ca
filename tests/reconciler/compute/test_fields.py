from __future__ import annotations

from typing import Any

import pytest

from reconciler.compute.fields import condition, count, cut, group_of, is_false, is_true, maps, millis, strings, whole

TREE: dict[str, Any] = {"a": {"b": 1, "t": True, "f": 2.0, "h": 2.5, "l": [{"x": 1}, 3], "s": {"k": "v", "n": 1}}}


def test_a_value_of_another_type_counts_as_absent() -> None:
    assert [whole(TREE, "a", key) for key in ("b", "t", "f", "h", "l", "none")] == [1, None, 2, None, None, None]
    assert count(TREE, "a", "t", default=5) == 5
    assert maps(TREE, "a", "l") == [{"x": 1}]
    assert strings(TREE, "a", "s") == {"k": "v"}


def test_conditions() -> None:
    obj = {"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Ready", "status": "True"}]}}
    assert is_false(condition(obj, "Ready"))
    assert not is_true(condition(obj, "Ready"))
    assert condition(obj, "Other") is None


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.250000Z", 250),
        ("1970-01-01", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_millis(stamp: str, expected: int | None) -> None:
    assert millis(stamp) == expected


def test_group_and_cut() -> None:
    assert [group_of(v) for v in ("apps/v1", "v1", "")] == ["apps", "", ""]
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
