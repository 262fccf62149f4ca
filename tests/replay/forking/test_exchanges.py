"""A recorded answer is given to its own question, once where it changes the world, and within the same patience."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.instant import to_ms, to_text
from reconciler.state import State
from replay.forking.exchanges import Exchange, Exchanges, Late, allowed_ms, told
from replay.forking.questions import pending_of
from tests.replay.forking.forks import asking, recorded


def _waiting(state: State, deadline: str) -> State:
    pending = pending_of(state)
    return replace(state, pending=replace(pending, event=replace(pending.event, deadline=deadline)))


def test_every_question_has_its_answer() -> None:
    found = Exchanges(recorded("never")).all
    assert [(one.operation, one.stage, one.answer.header.outcome) for one in found] == [
        ("connect", "db", "ok"), ("fetch", "db", "ok"), ("build", "db", "ok"), ("apply", "db", "ok"),
        ("verify", "db", "failed"),
    ]  # fmt: skip
    verify = found[-1]
    assert (verify.allowed_ms, verify.timed_out) == (2_000, True)
    assert verify.took_ms >= verify.allowed_ms
    assert [one.timed_out for one in found[:-1]] == [False] * 4


def test_what_changes_the_world_is_answered_once() -> None:
    exchanges = Exchanges(recorded("never"))
    apply, fetch = asking("never", "apply"), asking("never", "fetch")
    for state, again in ((apply, False), (fetch, True)):
        first = exchanges.find(state)
        assert isinstance(first, Exchange)
        exchanges.given(first)
        assert (exchanges.find(state) is not None) is again


def test_more_patience_than_was_recorded_is_not_answered() -> None:
    exchanges, state = Exchanges(recorded("never")), asking("never", "verify")
    assert isinstance(exchanges.find(state), Exchange)
    longer = exchanges.find(_waiting(state, "2030-03-17T18:16:40.000Z"))
    assert isinstance(longer, Late)
    assert longer.more


def test_less_patience_than_an_answer_took_is_not_answered_either() -> None:
    """Where the answer came later than it would be waited for now."""
    exchanges, state = Exchanges(recorded("ready")), asking("ready", "verify")
    (verify,) = [one for one in exchanges.all if one.operation == "verify"]
    assert verify.took_ms > 0
    shorter = exchanges.find(_waiting(state, to_text(verify.began_ms + verify.took_ms - 1)))
    assert shorter == Late(verify, more=False)
    assert exchanges.find(_waiting(state, to_text(verify.began_ms + verify.took_ms + 1))) == verify


def test_another_question_has_no_answer() -> None:
    assert Exchanges(recorded("patch")).find(asking("never", "apply")) is None


def test_how_long_is_waited() -> None:
    state = asking("never", "verify")
    pending = pending_of(state)
    assert allowed_ms(pending) == to_ms("2030-03-17T17:46:42.000Z") - pending.since_ms
    assert allowed_ms(pending_of(asking("never", "connect"))) == 0


def test_an_exchange_is_found_by_its_intent() -> None:
    exchanges = Exchanges(recorded("never"))
    for one in exchanges.all:
        assert exchanges.at(one.intent) is one
    assert exchanges.at(10_000) is None


def test_blobs_that_are_not_in_the_bundle_tell_nothing() -> None:
    assert told(Exchanges(recorded("never")).all, {}, last=None) == []
