"""The crash matrix in full: the world sees each action as often as DESIGN §6 promises, whatever happens at what moment.

The cells and the rule are in `tests/simulation/matrix.py`; `docs/crash-matrix.md` shows the rule.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.simulation.fleet import spread
from tests.simulation.life import TOTALS
from tests.simulation.matrix import (
    BEFORE_EFFECT,
    DURING,
    HOOKS,
    KINDS,
    LATE_S,
    MOMENTS,
    ROWS,
    STOP,
    Cell,
    Promise,
    cells,
    expected,
    play,
    representatives,
)

SOAK = bool(os.environ.get("SOAK"))
#: Seconds by which the controller, the network or the disk is back later than it must be.
DELAYS_S = (0.0, 7.0, 20.0)
#: so that several processes have something to do
PARTS = 4


def test_one_cell() -> None:
    """The cell of the environment variable CELL, to repeat a failure."""
    wanted = os.environ.get("CELL", "http pre, SIGKILL, before the effect")
    every = cells(scopes=("Revision", "Lifetime"), delays=(*DELAYS_S, LATE_S))
    check(next(cell for cell in every if str(cell) == wanted))


def check(cell: Cell) -> None:
    """Play a cell and compare it with the rule; then what an operator answered must have made it right."""
    verb = ROWS[cell.verb]
    seen, wanted = play(cell), expected(cell)
    assert seen.promise == wanted, f"{cell}: promised is {wanted}, and it came to {seen.promise}"
    if wanted.end == "held":
        assert seen.after == Promise(1, "Ready"), f"{cell}: after the answer it came to {seen.after}"
    if verb.doubt != "again":
        assert seen.requests == seen.after.effects, f"{cell}: {seen.requests} requests"
    TOTALS.update(cells=1)


def check_all(found: Iterable[Cell]) -> None:
    spread(check, list(found))


def test_representative_cells() -> None:
    check_all(representatives())


def test_a_job_that_is_created_when_another_process_has_ended_everything_never_runs() -> None:
    check(Cell("job", "pre", BEFORE_EFFECT, STOP, delay_s=LATE_S))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_cell(part: int) -> None:
    check_all(list(cells())[part::PARTS])


@pytest.mark.slow
@pytest.mark.skipif(not SOAK, reason="many minutes: make soak")
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_cell_with_delays_scopes_and_another_kill(part: int) -> None:
    check_all(list(cells(scopes=("Revision", "Lifetime"), delays=DELAYS_S, again=True))[part::PARTS])


@pytest.mark.slow
def test_a_controller_that_stands_still_until_another_one_has_ended_everything() -> None:
    check_all(cell for cell in cells(delays=(LATE_S,)) if cell.kind == STOP and cell.hook != "onFailure")


def test_all_combinations_are_there() -> None:
    found = Counter((cell.verb, cell.hook) for cell in cells())
    full = len(MOMENTS) * len(KINDS)
    assert set(found) == {(verb, hook) for verb in ROWS for hook in HOOKS}
    assert {verb: found[verb, "pre"] for verb in ROWS} == {
        name: full if verb.request else full - len(KINDS) for name, verb in ROWS.items()
    }


def test_what_is_played_each_time_has_every_action_hook_moment_and_kind() -> None:
    found = list(representatives())
    for left, right in itertools.combinations(("verb", "hook", "moment", "kind"), 2):
        pairs = {(getattr(cell, left), getattr(cell, right)) for cell in found}
        missing = {(getattr(cell, left), getattr(cell, right)) for cell in cells()} - pairs
        assert not missing, f"{left} and {right}: {missing}"


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
