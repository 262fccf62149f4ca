"""What other hands did: corrected by a run, unless it comes back each time."""

from __future__ import annotations

import pytest

from ledger import events as e
from reconciler.folds.drift import FLAPPING_MS, FLAPPING_TIMES
from tests.reconciler.making import Stream, ids, opened


def ready() -> Stream:
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    return stream.rest()


def drifted(stream: Stream, name: str = "a", *, manager: str = "hpa", mode: str = "Correct") -> None:
    item = e.Item(id=ids(name)[0], v="v1", action="changed", message=".data.x by hpa")
    stream.fact(e.DriftObserved(objects=[item], manager=manager, mode=mode), stage="db")


def corrected(stream: Stream) -> None:
    assert stream.state.asked == "drift"
    stream.fact(opened("db", trigger="drift"))
    stream.rest()


def test_it_asks_for_a_run():
    stream = ready()
    drifted(stream)
    corrected(stream)
    assert stream.state.asked == ""
    assert stream.refold() == stream.state


def test_a_warning_asks_for_nothing_however_often():
    stream = ready()
    for _ in range(2 * FLAPPING_TIMES):
        drifted(stream, mode="Warn")
        assert stream.state.asked == ""
    assert not stream.state.drifts[ids("a")[0]].flapping


def test_what_comes_back_each_time_is_not_corrected_for_ever():
    stream = ready()
    for _ in range(FLAPPING_TIMES - 1):
        drifted(stream)
        corrected(stream)
        stream.now_ms += 10_000
    drifted(stream)
    assert stream.state.asked == ""
    assert stream.state.drifts[ids("a")[0]].flapping
    # Another object still is.
    drifted(stream, "b")
    corrected(stream)


def test_what_comes_back_rarely_is_corrected_for_ever():
    stream = ready()
    for _ in range(3 * FLAPPING_TIMES):
        drifted(stream)
        corrected(stream)
        stream.now_ms += FLAPPING_MS // (FLAPPING_TIMES - 2)


def test_different_hands_are_not_one_that_fights():
    stream = ready()
    for at in range(2 * FLAPPING_TIMES):
        drifted(stream, manager=f"someone-{at % 2}")
        corrected(stream)


@pytest.mark.parametrize("trigger", ["spec", "snapshot", "request"])
def test_it_is_tried_again_when_somebody_changes_or_asks_for_something(trigger):
    stream = ready()
    for _ in range(FLAPPING_TIMES - 1):
        drifted(stream)
        corrected(stream)
    drifted(stream)
    assert stream.state.drifts[ids("a")[0]].flapping
    stream.fact(opened("db", generation=2, trigger=trigger))
    stream.rest()
    assert stream.state.drifts == {}
    drifted(stream)
    corrected(stream)
