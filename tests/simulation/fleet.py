"""Many runs, on as many processes as there are cores. What one of them finds is raised here, with its seed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from tests.simulation import bases, life


def seeds(numbers: Iterable[int], *, processes: int = 0) -> None:
    """Run seeds."""
    todo = list(numbers)
    spread(_seed, todo, processes)
    life.TOTALS.update(seeds=len(todo))


def points(name: str, *, processes: int = 0, step: int = 1) -> None:
    """Run a base scenario with a kill at each of its boundaries in turn."""
    count = bases.play(name, crash_at=set()).boundaries
    todo = [(name, boundary) for boundary in range(1, count + 1, step)]
    spread(_point, todo, processes)
    life.TOTALS.update(bases=1, base_boundaries=count, crash_runs=len(todo))


def _seed(number: int) -> None:
    life.live(number)


def _point(place: tuple[str, int]) -> None:
    name, boundary = place
    lived = bases.play(name, crash_at={boundary})
    assert lived.crashes == 1, f"{name} was not killed at boundary {boundary}"


def _counted(call: tuple[Callable[[Any], None], Any]) -> tuple[Counter[str], str]:
    work, argument = call
    life.TOTALS.clear()
    try:
        work(argument)
    except Exception as error:
        return Counter(life.TOTALS), f"{type(error).__name__}: {error}"
    return Counter(life.TOTALS), ""


def spread(work: Callable[[Any], None], todo: list[Any], processes: int = 0) -> None:
    """Call for each, on that many processes (0: on all cores); raises what the first of those that failed raised."""
    processes = processes or os.cpu_count() or 1
    if processes == 1:
        for argument in todo:
            work(argument)
        return
    broken: list[str] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for totals, failure in pool.map(_counted, [(work, argument) for argument in todo], chunksize=8):
            life.TOTALS.update(totals)
            broken += [failure] if failure else []
    commands = "\n".join(text.rpartition("repeat with: ")[2] for text in broken)
    assert not broken, f"{len(broken)} of {len(todo)} runs broke:\n{commands}\nthe first:\n{broken[0]}"
