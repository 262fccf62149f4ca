"""One figure of a bench: a ratio to something measured in the same run, with its target and its spread.

A row holds when its ratio reaches the target. The gate is milder: it fails only when two of three measurements miss
three quarters of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

_GATE = 0.75
_TRIES = 3


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `ratio` is the median over the rounds, `min` and `max` their spread."""

    name: str
    #: ours, and what it is held against, in `unit`
    value: float | None
    unit: str
    against: str
    against_value: float | None
    ratio: float | None
    target: float
    #: whether the ratio must reach the target or stay below it
    bound: str
    holds: bool | None
    min: float | None = None
    max: float | None = None
    runs: int = 0
    durability: str = ""
    note: str = ""
    #: how often it was measured because it missed the gate
    tries: int = 1
    passes_gate: bool = True


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a row is about, before anything is measured."""

    name: str
    unit: str
    against: str
    target: float
    bound: str = "at least"
    durability: str = ""


def row(named: Named, ours: Sequence[float], other: Sequence[float]) -> Row:
    """A row from interleaved rounds. `other` are the same rounds of what it is held against."""
    ratios = [a / b for a, b in zip(ours, other, strict=True)]
    ratio = median(ratios)
    return Row(
        **msgspec.structs.asdict(named),
        value=round(median(ours), 3),
        against_value=round(median(other), 3),
        ratio=round(ratio, 3),
        holds=ratio >= named.target if named.bound == "at least" else ratio <= named.target,
        min=round(min(ratios), 3),
        max=round(max(ratios), 3),
        runs=len(ratios),
    )


def not_measured(named: Named, why: str) -> Row:
    """A row whose means are missing here."""
    return Row(**msgspec.structs.asdict(named), value=None, against_value=None, ratio=None, holds=None, note=why)


def passes(one: Row) -> bool:
    """Whether one measurement is within three quarters of its target."""
    if one.ratio is None:
        return True
    return one.ratio >= one.target * _GATE if one.bound == "at least" else one.ratio * _GATE <= one.target


def gated(measure: Callable[[], list[Row]]) -> list[Row]:
    """Measure; measure again, up to three times in all, while a row misses its gate. The best try is kept."""
    tries = [measure()]
    while len(tries) < _TRIES and _undecided(tries):
        tries.append(measure())
    return [_settled([one[place] for one in tries]) for place in range(len(tries[0]))]


def _undecided(tries: list[list[Row]]) -> bool:
    for place in range(len(tries[0])):
        failed = [not passes(one[place]) for one in tries].count(True)
        if failed and failed < 2 and len(tries) - failed < 2:
            return True
    return False


def _settled(tries: list[Row]) -> Row:
    failed = [passes(one) for one in tries].count(False)
    ordered = sorted(tries, key=lambda one: one.ratio or 0.0, reverse=tries[0].bound == "at least")
    return msgspec.structs.replace(ordered[0], tries=len(tries), passes_gate=failed < 2)
