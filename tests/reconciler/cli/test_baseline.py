from __future__ import annotations

import pytest

from tests.reconciler.cli.asking import ask, facts
from tests.reconciler.cli.serving import LEDGER, Served

#: Processes, real ones.
pytestmark = pytest.mark.slow

WORDS = ("baseline", "--stage", "database", "--action", "migrate")


def entries(world: Served) -> list[tuple[str, str]]:
    return [(one["stage"], one["action"]) for one in world.get(LEDGER)["spec"]["baseline"]]


def test_the_stageledger_is_made_and_the_action_counts_as_done(world: Served) -> None:
    world.stageset()
    result = ask(world, *WORDS)
    assert result.stdout == "StageSet shop/rel: Lifetime action migrate of stage database counts as done\n", (
        result.stderr
    )
    assert entries(world) == [("database", "migrate")]
    (done,) = world.get(LEDGER)["status"]["completedActions"]
    assert (done["action"], done["origin"]) == ("migrate", "Baselined")
    assert {one["manager"] for one in world.get(LEDGER)["metadata"]["managedFields"]} >= {"stagesetctl"}
    # Once more changes nothing.
    generation = world.get(LEDGER)["metadata"]["generation"]
    assert facts(ask(world, *WORDS, "-o", "json"))["handled"] is True
    assert world.get(LEDGER)["metadata"]["generation"] == generation


def test_an_entry_is_added_to_those_that_are_there(world: Served) -> None:
    world.stageset()
    assert ask(world, "baseline", "--stage", "old", "--action", "gone", "--ahead").exit_code == 0
    assert ask(world, *WORDS).exit_code == 0
    assert entries(world) == [("old", "gone"), ("database", "migrate")]


def test_only_a_lifetime_action_of_the_spec_can_be_declared(world: Served) -> None:
    world.stageset()
    result = ask(world, "baseline", "--stage", "database", "--action", "announce")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: StageSet shop/rel: stage database has no pre or post action 'announce' with scope Lifetime; "
        "it has migrate\n"
    )
    assert "it has none" in ask(world, "baseline", "--stage", "app", "--action", "x").stderr
    assert "has no stage 'db'" in ask(world, "baseline", "--stage", "db", "--action", "x").stderr


def test_it_can_be_declared_before_the_stageset_is_there(world: Served) -> None:
    result = ask(world, *WORDS)
    assert result.exit_code == 1
    assert "StageSet shop/rel does not exist" in result.stderr
    result = ask(world, *WORDS, "--ahead")
    assert result.exit_code == 0, result.stderr
    assert "(asked for, not waited for)" in result.stdout
    assert entries(world) == [("database", "migrate")]


def test_without_a_controller_it_is_told_that_nobody_took_it_up(world: Served) -> None:
    world.controls = False
    world.stageset()
    result = ask(world, *WORDS, "--timeout", "300ms")
    assert result.exit_code == 1
    assert "no controller has taken it up within 0.3 s" in result.stderr
    assert entries(world) == [("database", "migrate")]


def test_what_the_controller_refuses_is_told(world: Served) -> None:
    # The StageSet says otherwise than the controller's spec: it was changed just now.
    actions = {"pre": [{"name": "seed", "scope": "Lifetime", "wait": {}}]}
    world.stageset(stages=[{"name": "database", "sourceRef": {"name": "database"}, "actions": actions}])
    result = ask(world, "baseline", "--stage", "database", "--action", "seed")
    assert result.exit_code == 1
    assert "StageLedger shop/rel: spec.baseline: database/seed: the StageSet has no pre or post action" in result.stderr
