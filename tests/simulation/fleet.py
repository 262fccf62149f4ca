"""Many runs. What some of them find is raised together, each with the command that repeats it.

One process: `pytest -n` is what uses all cores, so what takes long is cut into parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.simulation import bases, life

T = TypeVar("T")


def seeds(numbers: Iterable[int]) -> None:
    """Run seeds."""
    todo = list(numbers)
    spread(life.live, todo)
    life.TOTALS.update(seeds=len(todo))


def points(name: str, *, part: int = 0, parts: int = 1) -> None:
    """Run a base scenario with a kill at each of its boundaries in turn, or at every `parts`-th of them."""
    count = bases.play(name, crash_at=set()).boundaries
    todo = list(range(1 + part, count + 1, parts))
    spread(lambda boundary: _point(name, boundary), todo)
    life.TOTALS.update(bases=part == 0, base_boundaries=count if part == 0 else 0, crash_runs=len(todo))


def _point(name: str, boundary: int) -> None:
    lived = bases.play(name, crash_at={boundary})
    assert lived.crashes == 1, f"{name} was not killed at boundary {boundary}"


def spread(work: Callable[[T], Any], todo: Iterable[T]) -> None:
    """Call for each; raises what the first of those that failed raised, and names them all."""
    broken: list[str] = []
    calls = list(todo)
    for argument in calls:
        try:
            work(argument)
        except Exception as error:
            broken.append(f"{type(error).__name__}: {error}")
    commands = "\n".join(text.rpartition("repeat with: ")[2] for text in broken)
    assert not broken, f"{len(broken)} of {len(calls)} runs broke:\n{commands}\nthe first:\n{broken[0]}"
