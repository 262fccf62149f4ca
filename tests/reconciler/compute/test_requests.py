"""Annotations as requests: read, refused with a sentence that helps, taken up once."""

from __future__ import annotations

import json

import pytest

from ledger import events as e
from reconciler.api import names
from reconciler.api.problems import Problem
from reconciler.compute import requests
from reconciler.compute.requests import Reset, Resolution, StageAgain
from reconciler.state import Act, ActionPlan, Run, StagePlan, State
from tests.reconciler.making import STREAM, pins

ANSWER = {"stage": "db", "action": "migrate", "as": "done", "reason": "seen in the schema"}


def answer(**changes: object) -> str:
    return json.dumps({**ANSWER, **changes})


def one(annotation: str, value: str) -> object:
    (found,) = requests.parse({annotation: value, "other": "x"})
    return found


def test_what_is_not_asked_is_not_found() -> None:
    assert requests.parse({}) == []
    assert requests.parse({names.RESOLVE: "", names.REQUESTED_AT: "now"}) == []


def test_a_stage_again_is_split_at_the_first_at() -> None:
    assert one(names.RECONCILE_STAGE, "db@2030@1") == StageAgain("db", "db@2030@1")


def test_a_reset_is_split_at_the_last_at_and_the_first_slash() -> None:
    assert one(names.RESET_LEDGER, "db/call a@b/c@1") == Reset("db", "call a@b/c", "db/call a@b/c@1")


def test_an_answer_is_read_with_who_and_why() -> None:
    value = answer(by="jane", token="7")
    assert one(names.RESOLVE, value) == Resolution(
        stage="db",
        action="migrate",
        answer="done",
        reason="seen in the schema",
        by="jane",
        token=requests.mark(value),
    )
    assert one(names.RESOLVE, answer(**{"as": "not-done"})).answer == "not-done"  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", ["db", "db@", "@1", "DB@1", "db@1\n", "d" * 64 + "@1", "db@" + "1" * 254])
def test_a_wrong_stage_again_is_told(value: str) -> None:
    found = one(names.RECONCILE_STAGE, value)
    assert isinstance(found, Problem)
    assert str(found).startswith(
        "metadata.annotations[stages.metio.wtf/reconcile-stage] must be <stage>@<token>, such as database@1, not "
    )


@pytest.mark.parametrize("value", ["db/migrate", "db@1", "db/@1", "/migrate@1", "db/migrate@", "Db/migrate@1"])
def test_a_wrong_reset_is_told(value: str) -> None:
    found = one(names.RESET_LEDGER, value)
    assert isinstance(found, Problem)
    assert "must be <stage>/<action>@<token>" in str(found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("done", "must be a JSON object such as {"),
        ('{"stage":', "it cannot be read"),
        ("[1]", "must be a JSON object; write it as {"),
        (json.dumps({"stage": "db", "action": "a", "as": "done"}), 'needs "reason" as text'),
        (answer(stage=1), '"stage" must be text'),
        (answer(stage="Db"), '"stage" must name a stage, not "Db"'),
        (answer(action="a\u202eb"), '"action" must name an action'),
        (answer(**{"as": "yes"}), '"as" must be "done" or "not-done", not "yes"'),
        (answer(reason=" "), '"reason" must say why'),
        (answer(reason="x" * 4097), '"reason" must say why, in at most 4096 characters'),
        (answer(by="a\nb"), '"by" must be a name'),
        (answer(by=None), '"by" must be text'),
        (answer(because="x"), 'has the key "because", which means nothing here'),
        (answer(token=1), '"token" must be text'),
        ("x" * 8193, "has 8193 characters, more than 8192"),
    ],
)
def test_a_wrong_answer_is_told(value: str, said: str) -> None:
    found = one(names.RESOLVE, value)
    assert isinstance(found, Problem)
    assert str(found).startswith("metadata.annotations[stages.metio.wtf/resolve] ")
    assert said in str(found)
    if "characters, more" not in said:
        assert '"as":"done"' in str(found), "it does not say what to write"


def test_each_value_is_taken_up_once() -> None:
    state = State(stream=STREAM)
    request = one(names.RESOLVE, answer())
    assert isinstance(request, Resolution)
    assert requests.is_new(state, request)
    taken = State(stream=STREAM, handled={"resolve": request.token})
    assert not requests.is_new(taken, request)
    # Any change of the whole value is a new one.
    again = one(names.RESOLVE, answer(token="2"))
    assert isinstance(again, Resolution)
    assert requests.is_new(taken, again)


def test_answers_come_before_what_they_let_go_on() -> None:
    found = requests.parse({names.RECONCILE_STAGE: "db@1", names.RESET_LEDGER: "db/migrate@1", names.RESOLVE: answer()})
    assert [type(one) for one in found] == [Resolution, Reset, StageAgain]


def test_facts_say_what_was_asked_by_whom() -> None:
    resolution = one(names.RESOLVE, answer(by="jane"))
    assert isinstance(resolution, Resolution)
    assert requests.fact_of(resolution) == (
        "db",
        e.OperatorResolved(action="migrate", answer="done", reason="seen in the schema", token=resolution.token),
    )
    actor = requests.actor_of(resolution)
    assert (actor.kind, actor.id, actor.how) == ("operator", "jane", "annotation stages.metio.wtf/resolve")
    again = StageAgain("db", "db@1")
    assert requests.fact_of(again) == ("db", e.OperatorRequested(request="reconcile-stage", token="db@1"))
    assert requests.actor_of(again).id == ""
    reset = Reset("db", "migrate", "db/migrate@1")
    assert requests.fact_of(reset) == ("db", e.OperatorRequested(request="reset-ledger", token="db/migrate@1"))


def test_the_next_draft_is_the_first_that_is_new() -> None:
    annotations = {names.RECONCILE_STAGE: "db@1", names.RESET_LEDGER: "nonsense", names.RESOLVE: answer(by="jane")}
    state = State(stream=STREAM)
    draft = requests.next_draft(state, annotations)
    assert draft is not None
    assert (type(draft.event), draft.stage, draft.actor.id) == (e.OperatorResolved, "db", "jane")
    state = State(stream=STREAM, handled={"resolve": requests.mark(annotations[names.RESOLVE])})
    draft = requests.next_draft(state, annotations)
    assert draft is not None
    assert draft.event == e.OperatorRequested(request="reconcile-stage", token="db@1")
    state = State(stream=STREAM, handled={**state.handled, "reconcile-stage": "db@1"})
    assert requests.next_draft(state, annotations) is None


def test_held_is_what_is_in_doubt_and_blocks() -> None:
    actions = [("ask", "pre"), ("tell", "post"), ("clean", "onFailure"), ("sure", "pre")]
    plan = StagePlan(
        name="db",
        pin=pins("db")[0],
        digest="d",
        verify_timeout_ms=1,
        actions=tuple(ActionPlan(name=name, hook=hook, verb="http", key=name) for name, hook in actions),  # type: ignore[arg-type]
    )
    run = Run(id="r", trigger="snapshot", snapshot="s", generation=1, opened_ms=1, spec={}, policy={}, plans=(plan,))
    acts = {name: Act(stage="db", name=name, doubt=0 if name == "sure" else 7) for name, _ in actions}
    # In doubt since an older snapshot: it blocks nothing now.
    acts["old"] = Act(stage="db", name="old", doubt=3)
    assert requests.held(State(stream=STREAM, run=run, acts=acts)) == {"db": ("ask", "tell")}
    assert requests.held(State(stream=STREAM)) == {}
