from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.api import names
from tests.reconciler.cli.asking import ask, facts
from tests.reconciler.cli.serving import Served

WORDS = ("resolve", "--stage", "database", "--action", "migrate", "--as", "done", "--reason", "schema is at 42")


def asked(world: Served) -> Any:
    return json.loads(world.get()["metadata"]["annotations"][names.RESOLVE])


def test_an_answer_is_given_with_who_and_why(world: Served) -> None:
    world.stageset(held={"database": ["migrate"]})
    result = ask(world, *WORDS, "--by", "jane")
    assert result.stdout == "StageSet shop/rel: action migrate of stage database is answered as done\n", result.stderr
    token = asked(world)["token"]
    assert asked(world) == {
        "stage": "database",
        "action": "migrate",
        "as": "done",
        "reason": "schema is at 42",
        "by": "jane",
        "token": token,
    }
    ((kind, _),) = world.taken
    assert kind == "resolve"
    (managed,) = [one for one in world.get()["metadata"]["managedFields"] if one["manager"] == "stagesetctl"]
    assert names.RESOLVE in str(managed["fieldsV1"])


def test_the_user_of_the_machine_answers_by_default(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "joe")
    world.stageset(held={"database": ["migrate"]})
    found = facts(ask(world, *WORDS, "-o", "json"))
    assert found == {
        "namespace": "shop",
        "stageset": "rel",
        "request": "resolve",
        "stage": "database",
        "action": "migrate",
        "as": "done",
        "reason": "schema is at 42",
        "by": "joe",
        "handled": True,
    }
    monkeypatch.delenv("USER")
    world.hold({"database": ["migrate"]})
    assert "by" not in facts(ask(world, *WORDS, "-o", "json"))


def test_an_action_that_is_not_held_needs_no_answer(world: Served) -> None:
    world.stageset(held={"database": ["announce"], "app": ["warm"]})
    result = ask(world, *WORDS)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: StageSet shop/rel holds no action database/migrate; it holds database/announce, app/warm\n"
    )
    assert "annotations" not in world.get()["metadata"]
    result = ask(world, "resolve", "--stage", "app", "--action", "x", "--as", "not-done", "--reason", "r")
    assert "holds no action app/x" in result.stderr


def test_a_stage_that_is_not_there_is_told(world: Served) -> None:
    world.stageset()
    result = ask(world, "resolve", "--stage", "db", "--action", "x", "--as", "done", "--reason", "r")
    assert result.exit_code == 1
    assert result.stderr == "Error: StageSet shop/rel has no stage 'db'; its stages are database, app\n"


def test_a_reason_is_needed(world: Served) -> None:
    world.stageset(held={"database": ["migrate"]})
    result = ask(world, *WORDS[:-1], " ")
    assert result.exit_code == 2
    assert '"reason" must say why' in result.stderr
    assert ask(world, "resolve", "--stage", "database", "--action", "migrate", "--as", "maybe").exit_code == 2
