"""The table of phases: complete, deterministic, and closed."""

from __future__ import annotations

import pytest

from reconciler.transitions import RESTING, TABLE, Absent, Phase, moved

AT_WORK = [phase for phase in Phase if any(p == phase and s.endswith(".finished") for p, s in TABLE)]


def test_every_phase_is_reachable_from_idle():
    seen, frontier = {Phase.IDLE}, [Phase.IDLE]
    while frontier:
        here = frontier.pop()
        for (before, _), after in TABLE.items():
            if before == here and after not in seen:
                seen.add(after)
                frontier.append(after)
    # RELEASING is a word for people: nothing is in it.
    assert set(Phase) - seen <= {Phase.RELEASING}


@pytest.mark.parametrize("phase", AT_WORK)
def test_what_is_at_work_has_both_answers_and_no_other_way_but_to_be_superseded(phase):
    signals = {signal for before, signal in TABLE if before == phase}
    finished = next(signal for signal in signals if signal.endswith(".finished"))
    # An action may have attempts left, or an outcome that nobody knows.
    more = {"action.finished": {"action.finished:open"}, "apply.finished": {"apply.finished:replace"}}.get(
        finished, set()
    )
    assert signals == {finished, f"{finished}:failed", "run.superseded", *more}


def test_the_phases_at_work_are_those_of_the_operations():
    assert len(AT_WORK) == 12
    assert not RESTING & set(AT_WORK)


def test_a_failed_answer_leads_to_failing_but_where_it_was_a_look_ahead():
    for (before, signal), after in TABLE.items():
        if signal.endswith(":failed"):
            ahead = before in {Phase.LOOKING_FETCH, Phase.LOOKING_BUILD}
            beside = Phase.HALTED if before == Phase.FAILURE_ACTING else Phase.FAILING
            assert after == (Phase.VERIFIED if ahead else beside)


def test_failing_leads_to_failed_alone():
    ways = {
        after for (before, signal), after in TABLE.items() if before == Phase.FAILING and "superseded" not in signal
    }
    assert ways == {Phase.FAILING, Phase.HALTED}
    ways = {a for (b, s), a in TABLE.items() if b == Phase.HALTED and s != "run.superseded"}
    assert ways == {Phase.FAILED, Phase.FAILURE_ACTING}
    # What follows a failure leads back to it, however it ends.
    assert {a for (b, s), a in TABLE.items() if b == Phase.FAILURE_ACTING and s != "run.superseded"} == {Phase.HALTED}


def test_nothing_leaves_released():
    assert not [signal for before, signal in TABLE if before == Phase.RELEASED]


def test_an_absent_pair_raises_and_names_it():
    with pytest.raises(Absent, match=r"no move from ready on apply\.finished"):
        moved(Phase.READY, "apply.finished")
