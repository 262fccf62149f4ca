from __future__ import annotations

import pytest

from tests.reconciler.cli.asking import ask, facts
from tests.reconciler.cli.serving import LEDGER, Served

#: Processes, real ones.
pytestmark = pytest.mark.slow

WORDS = ("reset-ledger", "--stage", "database", "--action", "migrate")
BASELINE = ("baseline", "--stage", "database", "--action", "migrate")


def test_a_completion_is_taken_back_and_its_baseline_entry_with_it(world: Served) -> None:
    world.stageset()
    assert ask(world, *BASELINE).exit_code == 0
    result = ask(world, *WORDS)
    assert result.stdout == "StageSet shop/rel: Lifetime action migrate of stage database counts as not done\n"
    assert world.get(LEDGER)["spec"]["baseline"] == []
    ((kind, token),) = world.taken
    assert kind == "reset-ledger"
    assert token.startswith("database/migrate@")
    assert "database/migrate" not in world.state.completions
    # It can be declared again.
    assert ask(world, *BASELINE).exit_code == 0
    assert facts(ask(world, *WORDS, "-o", "json"))["handled"] is True


def test_the_completion_stays_while_nobody_has_seen_that_the_baseline_entry_is_gone(world: Served) -> None:
    world.stageset()
    assert ask(world, *BASELINE).exit_code == 0
    world.controls = False
    result = ask(world, *WORDS, "--no-wait", "--timeout", "300ms")
    assert result.exit_code == 1
    assert "so the completion was not reset" in result.stderr
    assert "annotations" not in world.get()["metadata"]


def test_without_a_controller_it_is_told_that_nobody_took_it_up(world: Served) -> None:
    world.stageset()
    assert ask(world, *BASELINE).exit_code == 0
    assert ask(world, *WORDS).exit_code == 0
    world.state = type(world.state)(stream="stageset/shop/rel/2", version=1)
    status = {"completedActions": [
        {"stage": "database", "action": "migrate", "origin": "Executed", "completedAt": "2030-01-01T00:00:00Z"}
    ]}  # fmt: skip
    world.controls = False
    world.call(world.cluster.patch(LEDGER, {"status": status}, type="merge", subresource="status"))
    result = ask(world, *WORDS, "--timeout", "300ms")
    assert result.exit_code == 1
    assert "it is asked for and stays so" in result.stderr
    result = ask(world, *WORDS, "--no-wait")
    assert result.exit_code == 0
    assert "(asked for, not waited for)" in result.stdout


def test_what_is_not_completed_cannot_be_taken_back(world: Served) -> None:
    world.stageset()
    result = ask(world, *WORDS)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: StageSet shop/rel has no completed Lifetime action database/migrate; completed: none\n"
    )
    assert ask(world, *BASELINE).exit_code == 0
    result = ask(world, "reset-ledger", "--stage", "database", "--action", "other")
    assert result.stderr.endswith("completed: database/migrate\n")
