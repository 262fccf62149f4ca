from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api import duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("0s", 0),
        ("1h2m3.5s", 3_723_500),
        ("1h", 3_600_000),
        ("90m", 5_400_000),
        ("1.5h", 5_400_000),
        (".5s", 500),
        ("1.s", 1000),
        ("+10s", 10_000),
        ("-1m30s", -90_000),
        ("-0", 0),
        ("250ms", 250),
        ("1500us", 2),  # 1.5 ms: halves go away from zero
        ("-1500us", -2),
        ("1499us", 1),
        ("1µs", 1),  # never rounded down to nothing
        ("1μs", 1),
        ("1ns", 1),
        ("-1ns", -1),
        ("1m1m", 120_000),
        ("1s1h", 3_601_000),
        ("2562047h47m16.854775807s", 9_223_372_036_855),
    ],
)
def test_go_spelling_is_read_as_milliseconds(text: str, ms: int) -> None:
    assert duration.parse(text) == ms


@pytest.mark.parametrize(
    "text", ["", "10", "1 h", "1d", "h", "-", "+", ".", ".s", "1h ", "s1", "--1s", "1,5s", "1h\n", "٣s"]
)
def test_what_go_refuses_is_refused_with_the_text(text: str) -> None:
    with pytest.raises(duration.DurationError) as caught:
        duration.parse(text)
    assert str(caught.value) == f'must be a Go duration such as 30s, 10m or 1h30m, not "{text}"'


def test_what_does_not_fit_gos_range_is_refused() -> None:
    with pytest.raises(duration.DurationError, match=r'^must be a duration below 292 years, not "2562047h47m16.9s"$'):
        duration.parse("2562047h47m16.9s")


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(duration.DurationError) as caught:
        duration.parse("1h" * 4000)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1500, "1.5s"),
        (90_000, "1m30s"),
        (3_600_000, "1h"),
        (-61_001, "-1m1.001s"),
    ],
)
def test_milliseconds_are_written_shortly(ms: int, text: str) -> None:
    assert duration.format(ms) == text


@given(st.integers(min_value=-(2**63) // 1_000_000 + 1, max_value=2**63 // 1_000_000 - 1))
def test_what_is_written_is_read_back(ms: int) -> None:
    assert duration.parse(duration.format(ms)) == ms


@given(st.text(alphabet="0123456789.+-hmsuµμn ", max_size=12) | st.text(max_size=6))
def test_the_pattern_of_the_crd_accepts_what_is_read_and_nothing_else(text: str) -> None:
    matches = re.search(duration.PATTERN.removesuffix("$") + r"\Z", text) is not None
    assert matches == _is_read(text)


def _is_read(text: str) -> bool:
    try:
        duration.parse(text)
    except duration.DurationError as error:
        return "292 years" in str(error)
    return True


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(["h", "m", "s", "ms"])), min_size=1, max_size=5))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    scale = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert duration.parse(text) == sum(number * scale[unit] for number, unit in parts)
    assert duration.parse("-" + text) == -duration.parse(text)
