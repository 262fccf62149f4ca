from __future__ import annotations

from reconciler.api import names
from tests.reconciler.cli.asking import ask, facts
from tests.reconciler.cli.serving import Served


def test_a_run_is_asked_for(world: Served) -> None:
    world.stageset()
    assert ask(world, "reconcile").stdout == "StageSet shop/rel: a run has begun\n"
    token = world.get()["metadata"]["annotations"][names.REQUESTED_AT]
    assert world.taken == [("reconcile", token)]
    again = facts(ask(world, "reconcile", "-o", "json"))
    assert again["handled"] is True
    assert again["token"] != token


def test_the_actions_of_a_stage_are_asked_for_once_more(world: Served) -> None:
    world.stageset()
    found = facts(ask(world, "reconcile", "--stage", "database", "-o", "json"))
    assert world.taken == [("reconcile-stage", f"database@{found['token']}")]
    annotations = world.get()["metadata"]["annotations"]
    assert annotations == {names.RECONCILE_STAGE: f"database@{found['token']}"}


def test_a_stage_that_is_not_there_is_told(world: Served) -> None:
    world.stageset()
    result = ask(world, "reconcile", "--stage", "db")
    assert result.exit_code == 1
    assert "has no stage 'db'; its stages are database, app" in result.stderr


def test_what_is_suspended_is_asked_by_force_alone(world: Served) -> None:
    world.controls = False
    world.stageset(suspend=True)
    result = ask(world, "reconcile")
    assert result.exit_code == 1
    assert "is suspended" in result.stderr
    assert "annotations" not in world.get()["metadata"]
    result = ask(world, "reconcile", "--force")
    assert result.stdout == "StageSet shop/rel: a run has begun (asked for, not waited for)\n", result.stderr
    assert names.REQUESTED_AT in world.get()["metadata"]["annotations"]
