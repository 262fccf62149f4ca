"""How forks end, in sentences."""

from __future__ import annotations

from msgspec.structs import replace

from replay.forking.exchanges import Exchanges, Late
from replay.forking.result import Question
from replay.forking.telling import ended, operation_of, waits
from tests.replay.forking.forks import asking, recorded, story

OPEN = Question(seq=9, stage="db", operation="apply", asks="what does it answer?", why="not recorded")


def test_operations_have_the_words_of_messages() -> None:
    assert operation_of(asking("never", "verify")) == "verify"
    assert operation_of(asking("never", "fetch")) == "fetch artifact"
    assert operation_of(asking("host", "action")) == "pre-action"


def test_more_time_and_less_time_ask_differently() -> None:
    state = asking("never", "verify")
    verify = Exchanges(recorded("never")).all[-1]
    asks, why, known = waits(state, Late(verify, more=True))
    assert asks == "does stage db become ready between 2030-03-17T17:46:42.000Z and 2030-03-17T17:46:42.000Z?"
    assert why == "the recording ends its wait at 2030-03-17T17:46:42.000Z"
    assert known.startswith("timed out: 0 of 1 objects ready")
    asks, why, _ = waits(state, Late(verify, more=False))
    assert asks == "how far is stage db at 2030-03-17T17:46:42.000Z?"
    assert why == "the recording tells of a later moment only"


def test_ends() -> None:
    """The recorded ends of the stories, and those that only a fork has."""
    last = {name: recorded(name)[-1].after for name in ("never", "ready")}
    runs = {name: story(name)[1] for name in last}
    outcome, message = ended(last["never"], None, run=runs["never"])
    assert outcome == "failed"
    assert message.startswith("it fails: stage db: verify: timed out: 0 of 1 objects ready")
    assert ended(last["ready"], None, run=runs["ready"]) == ("succeeded", "it succeeds: the stage is ready")
    assert ended(last["ready"], None, run="another") == (
        "superseded", "it makes room for a newer run, or for an operator"
    )  # fmt: skip
    assert ended(asking("never", "apply"), None, run=runs["never"]) == ("open", "it has not come to an end there")


def test_a_question_is_open_or_a_wait() -> None:
    applying, verifying = asking("never", "apply"), asking("never", "verify")
    assert ended(applying, OPEN, run="r") == (
        "open", "stage db: apply: it goes on to a question that is open: what does it answer?"
    )  # fmt: skip
    waiting = replace(OPEN, operation="verify", known="0 of 1")
    assert ended(verifying, waiting, run="r") == (
        "waiting", "stage db: verify: it is waited for until 2030-03-17T17:46:42.000Z; known last: 0 of 1"
    )  # fmt: skip
    named = replace(OPEN, operation="pre-action", action="act")
    assert ended(asking("host", "action"), named, run="r")[1].startswith("stage db: pre-action: act: it goes on")
