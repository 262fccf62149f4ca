"""The state: values, and the few questions that are asked of it."""

from __future__ import annotations

import pytest

from reconciler.state import State, plan_of
from reconciler.transitions import RESTING, Phase
from tests.reconciler.making import STREAM, Stream, opened, spec


def test_a_state_is_a_value():
    with pytest.raises(AttributeError):
        State(stream=STREAM).phase = Phase.READY  # type: ignore[misc]


@pytest.mark.parametrize("phase", list(Phase))
def test_what_rests(phase):
    assert State(stream=STREAM, phase=phase).resting is (phase in RESTING)


def test_what_is_being_deleted():
    stream = Stream()
    assert not stream.state.deleting
    stream.fact(opened("db"))
    assert not stream.state.deleting
    stream.fact(opened(trigger="deletion", given=spec("db")))
    assert stream.state.deleting


def test_the_plan_of_a_stage_and_of_one_that_leaves():
    stream = Stream()
    stream.fact(opened("db", "app"))
    assert plan_of(stream.state.run, "app") is stream.state.run.plans[1]
    assert plan_of(stream.state.run, "gone") is None
