"""The crash matrix in full: the world sees each action as often as DESIGN §6 promises, whatever happens at what moment.

The cells and the rule are in `tests/simulation/matrix.py`; `docs/crash-matrix.md` shows the rule.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.simulation.acting import VERBS
from tests.simulation.fleet import spread
from tests.simulation.life import TOTALS
from tests.simulation.matrix import DURING, HOOKS, KINDS, LATE, MOMENTS, Cell, Promise, cells, expected, play

SOAK = bool(os.environ.get("SOAK"))
#: Seconds by which the controller, the network or the disk is back later than it must be.
DELAYS_S = (0.0, 7.0, 20.0)


def test_one_cell() -> None:
    """The cell of the environment variable CELL, to repeat a failure."""
    wanted = os.environ.get("CELL", "http pre, SIGKILL, before the effect")
    every = cells(scopes=("Revision", "Lifetime"), delays=(*DELAYS_S, LATE.delay_s))
    check(next(cell for cell in every if str(cell) == wanted))


def check(cell: Cell) -> None:
    """Play a cell and compare it with the rule; then what an operator answered must have made it right."""
    verb = VERBS[cell.verb]
    seen, wanted = play(cell), expected(cell)
    assert seen.promise == wanted, f"{cell}: promised is {wanted}, and it came to {seen.promise}"
    if wanted.end == "held":
        assert seen.after == Promise(1, "Ready"), f"{cell}: after the answer it came to {seen.after}"
    if verb.doubt != "again":
        assert seen.requests == seen.after.effects, f"{cell}: {seen.requests} requests"
    TOTALS.update(cells=1)


def check_all(found: Iterable[Cell]) -> None:
    spread(check, list(found))


def test_every_cell_before_a_stage() -> None:
    check_all(cell for cell in cells() if cell.hook == "pre")


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_cell() -> None:
    check_all(cells())


@pytest.mark.slow
@pytest.mark.skipif(not SOAK, reason="many minutes: make soak")
@pytest.mark.timeout(3_600)
def test_every_cell_with_delays_scopes_and_another_kill() -> None:
    check_all(cells(scopes=("Revision", "Lifetime"), delays=DELAYS_S, again=True))


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="a Job that ended well is deleted: nothing refuses one that is created later")
def test_a_controller_that_stood_still_for_longer_than_the_job_took() -> None:
    check(LATE)


def test_all_combinations_are_there() -> None:
    found = Counter((cell.verb, cell.hook) for cell in cells())
    full = len(MOMENTS) * len(KINDS)
    assert set(found) == {(verb, hook) for verb in VERBS for hook in HOOKS}
    assert {verb: found[verb, "pre"] for verb in VERBS} == {
        name: full if verb.request else full - len(KINDS) for name, verb in VERBS.items()
    }


def test_the_rule_in_words() -> None:
    """What must not be lost when the rule is changed: a request is never sent again by itself."""
    for hook in ("pre", "post"):
        for moment in MOMENTS:
            for kind in KINDS:
                promise = expected(Cell("http", hook, moment, kind))
                assert promise.effects <= 1
                assert promise.end == "held" or promise.effects == 1
    assert expected(Cell("http", "pre", DURING, KINDS[0])) == Promise(1, "held")
    assert expected(Cell("job", "pre", DURING, KINDS[0])) == Promise(1, "Ready")
