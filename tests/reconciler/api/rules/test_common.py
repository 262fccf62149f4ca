from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.rules import common


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_has_a_decimal_string(value: float) -> None:
    assert common.as_number(repr(value)) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "-Infinity", "1_000", "0x10", "1e999", "1,5", " 1", "٣"])
def test_what_is_no_number(text: str) -> None:
    assert common.as_number(text) is None


def test_empty_names_are_not_counted_as_equal() -> None:
    assert list(common.unique([("a", ""), ("b", "")], what="names")) == []


def test_each_repetition_is_told_with_the_first() -> None:
    found = list(common.unique([("p0", "a"), ("p1", "a"), ("p2", "a")], what="names"))
    assert [(problem.path, problem.message.split(";")[0]) for problem in found] == [
        ("p1", 'is "a", as is p0'),
        ("p2", 'is "a", as is p0'),
    ]


def test_exactly_one() -> None:
    assert list(common.exactly_one(["a"], of="a and b", path="p")) == []
    (none,) = common.exactly_one([], of="a and b", path="p")
    assert str(none) == "p must set exactly one of a and b, but sets none; add one"
