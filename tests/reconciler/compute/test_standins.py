"""Stand-ins keep the shape and differ wherever the value says something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.standins import other_shape, same_shape
from reconciler.compute.yamldoc import resolve_plain


@pytest.mark.parametrize(
    ("value", "stand_in"),
    [
        ("true", "false"),
        ("No", "Yes"),
        ("on", "off"),
        ("8080", "9191"),
        ("-1.5", "-2.6"),
        ("1e3", "2e4"),
        ("aZ9-z", "bA1-a"),
        ("a: b\n- c # d", "b: c\n- d # e"),
        ("!!##", "xxxx"),
        ("pä€", "qxx"),
        ("", ""),
        (" \n", " \n"),
    ],
)
def test_same_shape(value: str, stand_in: str) -> None:
    assert same_shape(value) == stand_in


@given(st.text(min_size=1))
def test_differs_unless_blank(value: str) -> None:
    if value.strip() and value != "x" * len(value):
        assert other_shape(value) != value
        assert same_shape(value) != value or set(value.split(maxsplit=1)[0]) <= {"x"} or not value.isascii()


@given(st.integers(min_value=-(10**17), max_value=10**17) | st.booleans())
def test_type_is_kept(value: int) -> None:
    text = str(value)
    assert type(resolve_plain(same_shape(text))) is type(resolve_plain(text))
