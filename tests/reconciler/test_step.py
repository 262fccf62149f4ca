"""One step: the same facts give the same decisions and the same state, whatever happens in between."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ledger import events as e
from reconciler import digests, invariants
from reconciler import step as module
from reconciler.decide import decide
from reconciler.effects import Entry, entry_of_draft
from reconciler.evolve import evolve
from reconciler.loop.memory import StatesProjection
from reconciler.loop.packing import unpacked
from reconciler.state import State
from reconciler.step import step
from reconciler.transitions import Phase
from tests.reconciler.making import START_MS, STREAM, Stream, items, opened, spec

OBJECTS = ("db", "app", "web", "x", "y")
STAGES = ("db", "app", "web")
RENDERS = st.dictionaries(
    st.sampled_from(STAGES), st.lists(st.sampled_from(OBJECTS), max_size=3, unique=True).map(tuple)
)
OPENED = st.builds(
    lambda names, revision, generation, trigger: opened(
        *names, revision=f"v{revision}", generation=generation, trigger=trigger
    ),
    st.lists(st.sampled_from(STAGES), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["snapshot", "spec", "retry", "request", "drift", "restored"]),
)
DELETED = st.just(opened(trigger="deletion", given=spec("db")))
OTHER = st.sampled_from(
    [
        e.OperatorSuspended(),
        e.OperatorResumed(),
        e.RunBlocked(reason="SourceNotReady", message="no", generation=1, requested_at="t"),
        e.RunBlocked(reason="InvalidSpec", message="bad", generation=2),
        e.VerifyObserved(message="1 of 2"),
        e.DriftObserved(objects=items("x"), manager="hand"),
    ]
)
#: What may happen next: an answer of some sort, several good ones, or something from outside.
MOVE = st.one_of(
    st.sampled_from(["ok", "ok", "ok", "ok", "run", "failed", "permanent", "partly", "refused", "in the way"]),
    st.just("ok"), OPENED, RENDERS, OTHER,
    st.tuples(RENDERS, OPENED), st.tuples(RENDERS, OPENED),
    st.integers(0, 15).flatmap(lambda n: OPENED if n else DELETED),
)  # fmt: skip


def move(stream: Stream, one: object) -> None:
    """Let one thing happen, if it can happen now."""
    stream.now_ms += 700
    if isinstance(one, tuple):
        # A whole rollout that works.
        for part in (*one, "run"):
            move(stream, part)
    elif isinstance(one, dict):
        stream.renders |= one
    elif isinstance(one, e.RunOpened):
        gone = stream.state.phase == Phase.RELEASED
        # Only a deletion follows a deletion.
        if not gone and (one.trigger == "deletion" or not stream.state.deleting) and not _deletion_waits(stream.state):
            stream.fact(one)
    elif isinstance(one, e.Event):
        if stream.state.phase != Phase.RELEASED and not (isinstance(one, e.RunBlocked) and stream.state.deleting):
            stream.fact(one)
    elif stream.state.pending is None:
        return
    elif one == "ok":
        stream.answer()
    elif one == "run":
        stream.rest()
    elif one == "partly" and stream.state.pending.operation in {"apply", "prune"}:
        known = list(stream.state.stages[stream.state.pending.stage].owned)[:1]
        done = [e.Item(id=key, v="v1", uid=f"uid-{key.split('_')[1]}", action="deleted") for key in known]
        stream.fail(objects=done)
    elif one == "in the way" and stream.state.pending.operation == "apply":
        known = list(stream.state.stages[stream.state.pending.stage].owned)[-1:]
        stream.fail(replace=[e.Item(id=key, v="v1", uid="old") for key in known])
    else:
        stream.fail(retryable=one != "permanent")


def _deletion_waits(state: State) -> bool:
    return state.waiting is not None and state.waiting.event.trigger == "deletion"


@given(OPENED, st.lists(MOVE, min_size=12, max_size=40), RENDERS)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.large_base_example])
def test_random_walks_hold_the_invariants_and_fold_to_the_same_state(first, moves, renders):
    stream = Stream(**renders)
    stream.fact(first)
    for one in moves:
        move(stream, one)
        invariants.check(stream.state)
        assert decide(stream.state) is None
    event(stream.state.phase)
    event("transferred" if any("transferred" in tag for tag in stream.tags) else "nothing moved")
    event("pruned" if any("prune.finished" in tag for tag in stream.tags) else "nothing pruned")
    again = stream.refold()
    assert again == stream.state
    assert digests.of(again) == digests.of(stream.state)
    assert_steps_again(stream.entries)
    assert _read_again(stream.state) == stream.state


def assert_steps_again(entries: list[Entry]) -> None:
    """Feed the facts alone to the step: it decides what was decided (I9)."""
    state, at = State(stream=STREAM), 0
    while at < len(entries):
        fact = entries[at]
        assert e.is_fact(fact.event), fact
        result = step(state, fact)
        decided = [
            entry_of_draft(draft, at_ms=fact.at_ms, ver=fact.ver + 1 + n) for n, draft in enumerate(result.decisions)
        ]
        assert decided == entries[at + 1 : at + 1 + len(decided)]
        state, at = result.state, at + 1 + len(decided)


@given(st.lists(MOVE, max_size=12), RENDERS)
@settings(max_examples=60, deadline=None)
def test_the_whole_append_carries_one_digest_of_the_state_after_it(moves, renders):
    stream = Stream(**renders)
    stream.fact(opened("db", "app"))
    for one in moves:
        move(stream, one)
    if stream.state.pending is not None:
        decisions = stream.answer()
        assert [bool(draft.state) for draft in decisions] == [False] * (len(decisions) - 1) + [True] * bool(decisions)
        assert not decisions or decisions[-1].state == digests.of(stream.state)


def test_a_step_changes_nothing_that_it_was_given():
    stream = Stream()
    stream.fact(opened("db"))
    before = msgspec.msgpack.encode(stream.state)
    step(stream.state, Entry(e.OperatorSuspended(), START_MS, stream.state.version + 1))
    assert msgspec.msgpack.encode(stream.state) == before


def test_folding_what_a_step_decided_is_the_steps_state():
    stream = Stream()
    fact = Entry(opened("db"), START_MS, 1, run="run-1")
    result = step(stream.state, fact)
    state = evolve(stream.state, fact)
    for at, draft in enumerate(result.decisions):
        state = evolve(state, entry_of_draft(draft, at_ms=START_MS, ver=2 + at))
    assert state == result.state


def test_a_loop_of_decisions_is_our_bug_and_does_not_spin(monkeypatch):
    stream = Stream()
    stream.fact(opened("db"))
    endless = step(stream.state, Entry(e.OperatorSuspended(), START_MS, stream.state.version + 1)).decisions[0]
    stream.fact(e.OperatorSuspended())
    retry = e.RunRetryScheduled(due="2030-01-01T00:00:00.000Z")
    failing = Stream()
    failing.fact(opened("db"))
    failing.fail()
    monkeypatch.setattr(module, "decide", lambda _: type(endless)(event=retry))
    with pytest.raises(AssertionError, match="more than 1000 decisions"):
        step(failing.state, Entry(e.VerifyObserved(), START_MS, failing.state.version + 1))


def _read_again(state):
    """A state that went through a checkpoint."""
    projection = StatesProjection()
    return unpacked(projection.decode(projection.encode({STREAM: state}))[STREAM])


def test_a_checkpoint_of_every_kind_of_state_can_be_read_again():
    stream = Stream(db=("db", "x"))
    stream.fact(opened("db", "app"))
    stream.until("apply").fact(opened("db", revision="v2"))
    stream.fact(e.RunBlocked(reason="InvalidSpec", message="bad", generation=3))
    assert stream.state.waiting
    assert stream.state.pending
    assert stream.state.blocked
    assert _read_again(stream.state) == stream.state
    stream.fail(objects=items("x", uid="u"))
    assert _read_again(stream.state) == stream.state
