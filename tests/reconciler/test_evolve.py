"""The fold: a handler for everything that can be recorded, and who owns what after each of them."""

from __future__ import annotations

import pytest

from ledger import events as e
from reconciler.effects import Entry
from reconciler.evolve import HANDLERS, evolve, fold
from reconciler.folds.operations import OPERATION_WORDS
from reconciler.state import State
from reconciler.transitions import Absent, Phase
from tests.reconciler.making import START_MS, STREAM, Stream, items, opened, spec, stage


@pytest.mark.parametrize("tag", sorted(e.BY_TAG))
def test_every_event_has_a_handler(tag):
    assert e.BY_TAG[tag] in HANDLERS


def test_every_intent_but_that_of_an_action_has_words():
    intended = {tag.removesuffix(".intended") for tag in e.BY_TAG if tag.endswith(".intended")}
    assert set(OPERATION_WORDS) == intended - {"action"}


@pytest.mark.parametrize(
    "event",
    [
        e.VerifyObserved(message="1 of 2"),
        e.DriftObserved(objects=[]),
        e.TimerFired(timer="retry", due="2030-01-01T00:00:00.000Z"),
        e.OperatorRequested(request="reconcile", token="t"),
        e.OperatorResolved(action="a", answer="done", reason="r"),
        e.LedgerBodiesErased(positions=[1], reason="asked"),
    ],
)
def test_what_is_only_kept_for_people_moves_nothing_but_the_version(event):
    stream = Stream()
    stream.fact(opened("db"))
    after = evolve(stream.state, Entry(event, START_MS + 5, stream.state.version + 1))
    assert after.version == stream.state.version + 1
    assert after.now_ms == START_MS + 5
    assert (after.phase, after.pending, after.stages) == (stream.state.phase, stream.state.pending, stream.state.stages)


def test_time_never_goes_back():
    stream = Stream()
    stream.fact(opened("db"))
    after = evolve(stream.state, Entry(e.VerifyObserved(), START_MS - 1, stream.state.version + 1))
    assert after.now_ms == START_MS


def test_a_run_begins_with_what_its_event_says():
    stream = Stream()
    given = spec(stage("db", path="./deploy", serviceAccountName="db-sa", prune=False), "app", serviceAccountName="all")
    stream.fact(opened(given=given, generation=7, requested_at="token-1"))
    run, state = stream.state.run, stream.state
    assert run is not None
    assert (run.trigger, run.generation, run.opened_ms, run.id) == ("snapshot", 7, START_MS, "run-1")
    assert [(p.name, p.path, p.service_account, p.prune) for p in run.plans] == [
        ("db", "./deploy", "db-sa", False),
        ("app", "", "all", True),
    ]
    assert [(s.name, s.position, s.prune) for s in state.stages.values()] == [("db", 0, False), ("app", 1, True)]
    assert state.requested_at == "token-1"
    assert state.since_ms == START_MS


def test_an_answer_without_an_intent_and_one_to_another_intent_are_bugs():
    stream = Stream()
    stream.fact(opened("db"))
    with pytest.raises(AssertionError, match="another intent"):
        evolve(stream.state, Entry(e.ConnectFinished(), START_MS, 9, outcome="ok", intent=99))
    with pytest.raises(AssertionError, match="without an intent"):
        evolve(State(stream=STREAM), Entry(e.ConnectFinished(), START_MS, 1, outcome="ok", intent=1))


def test_a_move_that_cannot_be_raises():
    with pytest.raises(Absent, match=r"idle on run\.retry\.scheduled"):
        evolve(State(stream=STREAM), Entry(e.RunRetryScheduled(due="2030-01-01T00:00:00.000Z"), START_MS, 1))


# ── ownership (I7) ───────────────────────────────────────────────────────────────────────────────────────────────


def test_objects_are_claimed_before_they_are_made():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    stream.until("apply")
    assert stream.owned("db") == {"a": "", "b": ""}


def test_they_have_their_uid_once_they_were_applied():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    stream.until("verify")
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}
    kept = stream.state.stages["db"].owned["shop_a__ConfigMap"]
    assert (kept.rv, kept.v) == ("7", "v1")


def test_a_partial_failure_keeps_what_was_made_and_what_may_have_been():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    stream.until("apply")
    stream.fail(objects=[*items("a", uid="uid-a", rv="1"), *items("b", action="failed")])
    assert stream.state.phase == Phase.FAILED
    assert stream.owned("db") == {"a": "uid-a", "b": ""}


def test_what_a_newer_render_forgot_stays_owned_until_it_was_pruned():
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    stream.rest()
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    stream.until("prune")
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}
    stream.answer()
    assert stream.owned("db") == {"a": "uid-a"}
    assert stream.state.phase == Phase.READY


@pytest.mark.parametrize(
    ("action", "stays"),
    [
        ("deleted", False),
        ("gone", False),
        ("released", False),
        ("terminating", True),
        ("failed", True),
        ("skipped", True),
    ],
)
def test_what_a_prune_did_decides_what_stays_owned(action, stays):
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    stream.rest()
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    stream.until("prune")
    stream.fail(objects=items("b", action=action))
    assert ("b" in stream.owned("db")) is stays


def test_the_second_apply_keeps_the_uid_until_it_hears_of_another():
    stream = Stream()
    stream.fact(opened("db"))
    stream.rest().fact(opened("db", revision="v2"))
    stream.until("apply")
    assert stream.owned("db") == {"db": "uid-db"}
    stream.answer(e.ApplyFinished(objects=items("db", uid="uid-2", rv="9")))
    assert stream.owned("db") == {"db": "uid-2"}


def test_a_transfer_moves_objects_and_touches_no_others():
    stream = Stream(db=("x", "y"), app=("app",))
    stream.fact(opened("db", "app"))
    stream.rest()
    stream.renders |= {"db": ("y",), "app": ("app", "x")}
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("verify", "app")
    assert stream.owned("db") == {"y": "uid-y"}
    assert stream.owned("app") == {"app": "uid-app", "x": "uid-x"}


# ── what quiet times keep ────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_ended_lets_go_of_what_only_its_work_needed():
    stream = Stream()
    stream.fact(opened("db"))
    stream.rest()
    run = stream.state.run
    assert run is not None
    assert (run.spec, run.renders, run.stage, run.unseen) == ({}, {}, "", ())
    assert run.plans


def test_a_success_remembers_what_is_out_there():
    stream = Stream()
    stream.fact(opened("db", "app", generation=3))
    stream.rest()
    state = stream.state
    assert state.applied == {"ExternalArtifact/shop/db": "v1", "ExternalArtifact/shop/app": "v1"}
    assert state.run
    assert state.ready_snapshot == state.run.snapshot
    assert state.ready_generation == 3
    assert state.stages["db"].revision == "v1"
    assert state.stages["db"].digest == state.run.plans[0].digest


def test_a_released_stageset_is_small():
    stream = Stream()
    stream.fact(opened("db"))
    stream.rest().fact(opened(trigger="deletion", given=spec("db")))
    stream.rest()
    assert stream.state.phase == Phase.RELEASED
    assert stream.state.stages == {}
    assert stream.state.run
    assert stream.state.run.spec == {}


def test_a_hold_is_over_with_the_next_run_and_keeps_its_time_meanwhile():
    stream = Stream()
    stream.fact(e.RunBlocked(reason="SourceNotReady", message="m", generation=1, requested_at="t"))
    assert stream.state.blocked
    assert stream.state.blocked.since_ms == START_MS
    assert stream.state.requested_at == "t"
    stream.now_ms += 1000
    stream.fact(e.RunBlocked(reason="SourceNotReady", message="n", generation=1))
    assert stream.state.blocked
    assert stream.state.blocked.since_ms == START_MS
    assert stream.state.blocked.message == "n"
    assert stream.state.requested_at == "t"
    stream.fact(opened("db"))
    assert stream.state.blocked is None


def test_how_long_it_has_been_red_is_not_reset_by_another_try():
    stream = Stream()
    stream.fact(opened("db"))
    stream.now_ms += 1000
    stream.fail()
    failed_ms = stream.state.since_ms
    assert failed_ms == START_MS + 1000
    stream.now_ms += 60_000
    stream.fact(opened("db", trigger="retry"))
    assert stream.state.failure is not None
    stream.fail()
    assert stream.state.since_ms == failed_ms
    assert stream.state.failures == 2
    stream.now_ms += 1000
    stream.fact(opened("db", revision="v2"))
    assert stream.state.failure is None
    assert stream.state.since_ms == stream.now_ms


def test_folding_entries_is_the_state():
    stream = Stream()
    stream.fact(opened("db"))
    stream.rest()
    assert fold(STREAM, stream.entries) == stream.state
