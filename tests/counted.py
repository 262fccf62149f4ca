"""What the suites counted on their way, added up over the processes that ran them and told at the end.

A section is a Counter and the sentence that is made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

Told = Callable[[Counter[str]], str]

COUNTED: dict[str, Counter[str]] = {}
_TOLD: dict[str, Told] = {}


def section(name: str, told: Told) -> Counter[str]:
    """The counter of a section; what is in it is told at the end if anything is."""
    _TOLD[name] = told
    return COUNTED.setdefault(name, Counter())


def sentences() -> dict[str, str]:
    """What to tell, by section."""
    return {name: _TOLD[name](counted) for name, counted in sorted(COUNTED.items()) if counted}


def simulated(counted: Counter[str]) -> str:
    """How much was simulated: seeds, places where a controller could have been killed, and where it was."""
    minutes = counted["steady_minutes"] or 1
    return (
        f"{counted['seeds']} seeds, {counted['crash_runs']} runs with one kill each, at as many of the "
        f"{counted['base_boundaries']} boundaries of {counted['bases']} base scenarios; in all {counted['runs']} runs, "
        f"{counted['crashes']} kills, {counted['boundaries']} boundaries passed, {counted['appends']} appends, "
        f"{counted['requests']} requests, {counted['cells']} cells of the crash matrix, {counted['races']} races, "
        f"{counted['deeds']} effects of actions, {counted['doubts']} times in doubt; "
        f"steady state: {counted['steady_requests'] / minutes:.2f} requests per StageSet and minute at intervals "
        "of 30 s to 5 minutes, nothing recorded"
    )


def replayed(counted: Counter[str]) -> str:
    """How much was decided again."""
    return (
        f"{counted['runs']} runs of {counted['ledgers']} ledgers, all reproduced, {counted['isolated']} of them in an "
        f"isolated child too; {counted['facts']} facts, {counted['decisions']} decisions"
    )


#: Here, so that the process that only gathers has them too.
SIMULATION = section("simulation", simulated)
REPLAYED = section("replayed", replayed)
