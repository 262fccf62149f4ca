"""What the world owes a StageSet, from its state alone."""

from __future__ import annotations

from ledger import events as e
from reconciler.effects import Plan
from reconciler.plan import plan
from tests.reconciler.making import Stream, opened


def test_an_intent_without_an_answer_is_owed_until_it_is_answered():
    stream = Stream()
    stream.fact(opened("db"))
    (effect,) = plan(stream.state).effects
    assert (effect.operation, effect.stage, effect.intent) == ("connect", "db", stream.state.version)
    assert plan(stream.refold()).effects == (effect,)
    stream.answer()
    assert [one.operation for one in plan(stream.state).effects] == ["fetch"]


def test_at_rest_nothing_is_owed():
    stream = Stream()
    assert plan(stream.state) == Plan()
    stream.fact(opened("db"))
    assert plan(stream.rest().state) == Plan()


def test_a_failed_run_is_owed_a_retry_unless_it_is_suspended():
    stream = Stream()
    stream.fact(opened("db"))
    stream.fail()
    assert plan(stream.state) == Plan(wake_ms=stream.state.retry_ms, why="retry")
    assert stream.state.retry_ms > stream.now_ms
    stream.fact(e.OperatorSuspended())
    assert plan(stream.state) == Plan()
    stream.fact(e.OperatorResumed())
    assert plan(stream.state).why == "retry"
