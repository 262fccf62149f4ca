from __future__ import annotations

import msgspec
import pytest

from tests.bench.row import Named, Row, gated, not_measured, passes, row

FAST = Named(name="x", unit="events/s", against="y", target=2.0)
SHORT = Named(name="x", unit="ms", against="y", target=1.6, bound="at most")


def test_a_ratio_is_the_median_of_its_rounds() -> None:
    one = row(FAST, [30.0, 10.0, 40.0], [10.0, 10.0, 10.0])
    assert (one.ratio, one.min, one.max, one.runs, one.value, one.holds) == (3.0, 1.0, 4.0, 3, 30.0, True)


@pytest.mark.parametrize(
    ("named", "ratio", "holds", "in_gate"),
    [
        (FAST, 2.0, True, True),
        (FAST, 1.6, False, True),
        (FAST, 1.4, False, False),
        (SHORT, 1.6, True, True),
        (SHORT, 2.1, False, True),
        (SHORT, 2.2, False, False),
    ],
)
def test_a_target_and_its_gate(named: Named, ratio: float, holds: bool, in_gate: bool) -> None:
    one = row(named, [ratio], [1.0])
    assert (one.holds, passes(one)) == (holds, in_gate)


@pytest.mark.parametrize(
    ("ratios", "tries", "in_gate", "kept"),
    [
        ([2.5], 1, True, 2.5),
        ([1.0, 2.5, 2.2], 3, True, 2.5),
        ([1.0, 1.1, 9.0], 2, False, 1.1),
        ([1.0, 2.5, 1.2], 3, False, 2.5),
    ],
)
def test_a_gate_fails_in_two_runs_of_three(ratios: list[float], tries: int, in_gate: bool, kept: float) -> None:
    left = iter(ratios)
    found = gated(lambda: [row(FAST, [next(left)], [1.0])])
    assert (found[0].tries, found[0].passes_gate, found[0].ratio) == (tries, in_gate, kept)


def test_what_could_not_be_measured_says_so() -> None:
    one = gated(lambda: [not_measured(FAST, "no compiler")])[0]
    assert (one.holds, one.ratio, one.note, one.passes_gate) == (None, None, "no compiler", True)


def test_a_row_has_the_promised_fields() -> None:
    fields = set(msgspec.json.decode(msgspec.json.encode(row(FAST, [2.0], [1.0]))))
    assert {"name", "value", "unit", "against", "ratio", "target", "holds"} <= fields
    assert fields == set(Row.__struct_fields__)
