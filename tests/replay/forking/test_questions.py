"""When two questions are one: patience apart, whatever the hand reads makes another question."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.state import State, run_of
from replay.forking.questions import asked, pending_of, question
from tests.replay.forking.forks import asking


def _with(state: State, change: Any) -> State:
    """The same question, of a run whose first stage is another."""
    run = run_of(state)
    stage, *others = run.spec["stages"]
    return replace(state, run=replace(run, spec={**run.spec, "stages": [change(stage), *others]}))


def _set(name: str, value: Any) -> Any:
    return lambda stage: {**stage, name: value}


@pytest.mark.parametrize(
    ("story", "operation", "change", "is_another"),
    [
        ("patch", "build", _set("patches", []), True),
        ("patch", "build", _set("path", "./other"), True),
        ("patch", "build", _set("timeout", "1h"), False),
        ("patch", "fetch", _set("path", "./other"), False),
        ("never", "apply", _set("force", True), True),
        ("never", "apply", _set("timeout", "1h"), False),
        ("never", "verify", _set("readyChecks", {"disableWait": True}), True),
        ("never", "verify", _set("readyChecks", {"timeout": "1h"}), False),
    ],
)
def test_what_makes_another_question(story: str, operation: str, change: Any, is_another: bool) -> None:
    state = asking(story, operation)
    assert (question(_with(state, change)) != question(state)) is is_another


@pytest.mark.parametrize(
    ("field", "value", "is_another"),
    [("url", "http://127.0.0.1:9/y", True), ("method", "PUT", True), ("timeout", "1h", False), ("retries", 3, False)],
)
def test_how_long_an_action_waits_is_no_part_of_what_it_asks(field: str, value: Any, is_another: bool) -> None:
    state = asking("host", "action")

    def change(stage: dict[str, Any]) -> dict[str, Any]:
        (action,) = stage["actions"]["pre"]
        changed = (
            {**action, field: value} if field == "retries" else {**action, "http": {**action["http"], field: value}}
        )
        return {**stage, "actions": {"pre": [changed]}}

    assert (question(_with(state, change)) != question(state)) is is_another


def test_a_deadline_is_no_part_of_it() -> None:
    state = asking("never", "verify")
    pending = pending_of(state)
    later = replace(pending, event=replace(pending.event, deadline="2031-01-01T00:00:00.000Z"))
    assert question(replace(state, pending=later)) == question(state)


@pytest.mark.parametrize(
    ("story", "operation", "words"),
    [
        ("never", "connect", "what does the cluster answer when stage db connects as the controller?"),
        ("never", "fetch", "what does http://source.test/db/"),
        ("never", "build", "what does stage db render to?"),
        ("never", "apply", "what does the API server answer to the apply of 1 object of stage db?"),
        ("never", "verify", "is all of stage db (1 object) ready before 2030-03-17T17:46:42.000Z?"),
        ("host", "action", "what does http://127.0.0.1:9/x answer to the POST of action act?"),
    ],
)
def test_a_question_is_asked_in_words(story: str, operation: str, words: str) -> None:
    found = asked(asking(story, operation))
    assert found.startswith(words)
    assert found.endswith("?")
