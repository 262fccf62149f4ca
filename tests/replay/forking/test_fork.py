"""The runbook's cases as forks: each ends in the right sentence, and tells who answered what."""

from __future__ import annotations

import pytest

from replay.errors import Unusable
from replay.forking.changes import Given
from tests.replay.forking.forks import FIXED, answers, forked
from tests.replay.rollouts import archive, config


def test_without_a_change_it_ends_as_recorded() -> None:
    found = forked("patch")
    assert (found.outcome, found.message) == ("failed", found.recorded)
    assert found.message.startswith(
        "it fails: stage db: build: kustomize cannot build the artifact's root: error in remove"
    )
    assert {one.origin for one in found.answers} == {"recorded"}
    assert found.question is None


def test_a_fixed_patch_makes_the_build_pass() -> None:
    found = forked("patch", ("spec.stages[db].patches", FIXED))
    assert found.outcome == "open"
    assert found.message == (
        "stage db: apply: it goes on to a question that is open: what does the API server answer to the apply of "
        "1 object of stage db?"
    )
    assert answers(found) == ["db connect ok recorded", "db fetch ok recorded", "db build ok computed"]
    assert found.question is not None
    assert not found.simulated


def test_and_simulated_it_succeeds() -> None:
    found = forked("patch", ("spec.stages[db].patches", FIXED), simulate=True)
    assert (found.outcome, found.message) == ("succeeded", "it succeeds: the stage is ready")
    assert answers(found)[-2:] == ["db apply ok simulated", "db verify ok simulated"]
    assert found.simulated
    assert any("not simulated" in note for note in found.notes)


def test_a_patch_that_does_not_fit_either_fails_in_kustomizes_words() -> None:
    found = forked("patch", ("spec.stages[0].patches[0].patch", "- {op: remove, path: /data/none}"))
    assert found.outcome == "failed"
    assert "error in remove for path: '/data/none'" in found.message
    assert answers(found)[-1] == "db build failed computed"


def test_a_raised_timeout_turns_a_verify_failure_into_a_wait() -> None:
    found = forked("never", ("spec.timeout", "30m"))
    assert found.outcome == "waiting"
    assert found.message == (
        "stage db: verify: it is waited for until 2030-03-17T18:16:40.000Z; known last: timed out: 0 of 1 objects "
        "ready; not ready: Deployment shop/web: 0 of 1 replicas available"
    )
    assert found.question is not None
    assert found.question.asks == (
        "does stage db become ready between 2030-03-17T17:46:42.000Z and 2030-03-17T18:16:40.000Z?"
    )
    assert answers(found)[-1] == "db apply ok recorded"


def test_an_answer_that_is_given_leads_on() -> None:
    asked = forked("never", ("spec.timeout", "30m")).question
    assert asked is not None
    found = forked("never", ("spec.timeout", "30m"), answers=(Given(seq=asked.seq, outcome="ok", body={}),))
    assert answers(found)[4:] == ["db verify ok given", "two connect ok recorded"]
    assert found.question is not None
    assert found.question.asks.startswith("what does http://source.test/two/")
    assert "--source two=DIR" in found.question.why


def test_to_the_end_with_what_was_given_and_what_is_simulated() -> None:
    asked = forked("never", ("spec.timeout", "30m")).question
    assert asked is not None
    found = forked(
        "never",
        ("spec.timeout", "30m"),
        answers=(Given(seq=asked.seq, outcome="ok", body={}),),
        artifacts={"two": archive({"two.yaml": config("two")})},
        simulate=True,
    )
    assert (found.outcome, found.message) == ("succeeded", "it succeeds: all 2 stages are ready")
    assert answers(found)[-3:] == ["two build ok computed", "two apply ok simulated", "two verify ok simulated"]


def test_what_never_gets_ready_fails_in_a_simulation_too() -> None:
    found = forked("never", ("spec.timeout", "30m"), simulate=True)
    assert found.outcome == "failed"
    assert "made no progress for 600 s" in found.message


def test_an_allowed_host_lets_an_action_go_on() -> None:
    found = forked("host", ("policy.allowedActionHosts", "127.0.0.1"))
    assert found.message == (
        "stage db: pre-action: act: it goes on to a question that is open: what does http://127.0.0.1:9/x answer to "
        "the POST of action act?"
    )
    found = forked("host", ("policy.allowedActionHosts", "127.0.0.1"), simulate=True,
                   artifacts={"": archive({"web.yaml": config()})})  # fmt: skip
    assert (found.outcome, found.message) == ("succeeded", "it succeeds: the stage is ready")
    assert answers(found)[1] == "db pre-action ok simulated"


def test_another_host_is_judged_by_the_recorded_list() -> None:
    field = "spec.stages[db].actions.pre[act].http.url"
    found = forked("host", (field, "http://127.0.0.2/x"))
    assert (found.outcome, answers(found)[1]) == ("failed", "db pre-action failed computed")
    assert "the host 127.0.0.2 is loopback, and refused by default" in found.message
    found = forked("host", (field, "http://hooks.example.com/x"))
    assert found.outcome == "open"
    found = forked("host", ("policy.allowedActionHosts", "*.example.com"))
    assert "the host 127.0.0.1 matches no entry of --allowed-action-hosts" in found.message


def test_a_lowered_timeout_asks_how_far_it_was() -> None:
    found = forked("ready", ("spec.timeout", "1ms"))
    assert found.outcome in ("succeeded", "waiting")
    found = forked("ready", ("spec.timeout", "1h"))
    assert (found.outcome, {one.origin for one in found.answers}) == ("succeeded", {"recorded"})


def test_another_artifact_is_built_and_its_apply_is_open() -> None:
    found = forked("ready", artifacts={"db": archive({"web.yaml": config("other")})})
    assert answers(found) == ["db connect ok recorded", "db fetch ok computed", "db build ok computed"]
    assert found.outcome == "open"
    found = forked("ready", artifacts={"db": archive({"a.yaml": "a: [\n"})})
    assert "malformed manifest: a.yaml" in found.message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec.timeout", "soon", "the controller would refuse this spec: spec.timeout"),
        ("spec.stages[9].timeout", "1m", "there is no item 9: it has 1, counted from 0"),
        ("spec.stages[none].timeout", "1m", "there is no item none"),
        ("status.x", "1", "a path begins with spec. or policy."),
        ("spec", {}, "a path begins with spec. or policy."),
        ("spec.sta ges", "1", "'sta ges' is no field"),
        ("spec.nonsense", "1", "the controller would refuse this spec"),
    ],
)
def test_changes_that_make_no_sense_are_refused(path: str, value: object, words: str) -> None:
    with pytest.raises(Unusable) as refused:
        forked("patch", (path, value))
    assert words in refused.value.message


def test_a_patch_of_the_spec() -> None:
    found = forked("never", patches=({"spec": {"timeout": "30m"}},))
    assert found.outcome == "waiting"
    assert forked("never", patches=({"timeout": "30m"},)).message == found.message


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(Unusable, match="nothing is asked at position 9999"):
        forked("patch", answers=(Given(seq=9999, outcome="ok", body={}),))
    with pytest.raises(Unusable, match="it is no answer to build"):
        forked("patch", answers=(Given(seq=9, outcome="ok", body={"nonsense": 1}),))
    with pytest.raises(Unusable, match="there is no stage none"):
        forked("patch", artifacts={"none": b""})


def test_the_recorded_answer_may_be_named_instead_of_its_question() -> None:
    by_answer = forked("patch", answers=(Given(seq=10, outcome="failed", body={"reason": "R", "message": "M"}),))
    by_intent = forked("patch", answers=(Given(seq=9, outcome="failed", body={"reason": "R", "message": "M"}),))
    assert by_answer.message == by_intent.message == "it fails: stage db: build: M"
