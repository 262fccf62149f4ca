"""The invariants see what they are for: each of them fails on a state that breaks it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger import events as e
from reconciler.effects import Entry
from reconciler.invariants import check, check_move
from reconciler.state import Owned
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, opened


def made() -> Stream:
    stream = Stream(db=("db", "x"))
    stream.fact(opened("db", "app"))
    return stream


def with_stage(state, name, **fields):
    return replace(state, stages={**state.stages, name: replace(state.stages[name], **fields)})


def test_every_state_of_a_good_run_holds():
    check(made().rest().state)


def test_work_without_an_intent_and_an_intent_without_work():
    state = made().state
    with pytest.raises(AssertionError, match="I2: phase connecting with nothing pending"):
        check(replace(state, pending=None))
    with pytest.raises(AssertionError, match="I2: phase ready with connect pending"):
        check(replace(state, phase=Phase.READY))


def test_work_without_a_run():
    with pytest.raises(AssertionError, match="without a run"):
        check(replace(made().state, phase=Phase.OPENED, pending=None, run=None))


def test_a_stage_that_counts_as_done_on_another_snapshot():
    state = made().until("connect", "app").state
    with pytest.raises(AssertionError, match="I5: db counts as done"):
        check(with_stage(state, "db", digest="sha256:other"))


def test_more_done_than_planned_and_a_stage_that_nobody_knows():
    state = made().rest().state
    with pytest.raises(AssertionError, match="more stages done"):
        check(replace(state, run=replace(state.run, done=3)))
    with pytest.raises(AssertionError, match="planned stage app is unknown"):
        check(replace(state, stages={"db": state.stages["db"]}))


def test_a_failed_run_without_a_failure():
    stream = made()
    stream.fail()
    with pytest.raises(AssertionError, match="without a failure"):
        check(replace(stream.state, failure=None))


def test_one_object_with_two_owners():
    state = made().rest().state
    stolen = Owned(id="shop_x__ConfigMap", v="v1", uid="uid-x")
    with pytest.raises(AssertionError, match="I7: shop_x__ConfigMap belongs to db and to app"):
        check(with_stage(state, "app", owned={"shop_x__ConfigMap": stolen}))
    with pytest.raises(AssertionError, match="another's id"):
        check(with_stage(state, "app", owned={"shop_y__ConfigMap": stolen}))


def test_an_object_that_is_forgotten_on_the_way():
    before = made().until("verify", "db").state
    entry = Entry(e.VerifyObserved(), before.now_ms, before.version + 1)
    after = replace(with_stage(before, "db", owned={}), version=entry.ver)
    with pytest.raises(AssertionError, match=r"I7: .* left stage db by VerifyObserved"):
        check_move(before, entry, after)
    dropped = replace(before, stages={"app": before.stages["app"]}, version=entry.ver)
    with pytest.raises(AssertionError):
        check_move(before, entry, dropped)


def test_a_later_stage_that_is_touched():
    before = made().state
    entry = Entry(e.VerifyObserved(), before.now_ms, before.version + 1)
    after = replace(with_stage(before, "app", digest="sha256:new"), version=entry.ver)
    with pytest.raises(AssertionError, match="I5: later stage app"):
        check_move(before, entry, after)


def test_a_version_that_is_not_the_events():
    before = made().state
    with pytest.raises(AssertionError, match="version"):
        check_move(before, Entry(e.VerifyObserved(), 0, before.version + 1), before)
