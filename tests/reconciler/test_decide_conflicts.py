"""Decisions about what is in the way of an apply: deleted and made anew, once, and never left missing."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.instant import to_ms
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, ids, items, opened, spec, stage, tags


def in_the_way(*names: str) -> e.ApplyFinished:
    return e.ApplyFinished(
        reason="ImmutableField",
        message="spec.template: field is immutable",
        retryable=False,
        objects=items(*names, action="failed"),
        replace=[e.Item(id=key, v="v1", uid=f"old-{key}", message="field is immutable") for key in ids(*names)],
    )


def conflicted(*names: str, given: dict | None = None) -> Stream:
    """A stage `db` that is ready, gets a new revision, and cannot be applied."""
    stream = Stream(db=("a", "b", "c"))
    stream.fact(opened("db", given=given))
    stream.rest()
    stream.fact(opened("db", given=given, revision="v2"))
    stream.until("apply").answer(in_the_way(*names), outcome="failed")
    return stream


def test_what_is_in_the_way_is_deleted_and_then_applied_again():
    stream = conflicted("a", "b")
    assert stream.state.phase == Phase.REPLACING
    intent = stream.state.pending.event
    assert isinstance(intent, e.ReplaceIntended)
    assert [(item.id, item.uid) for item in intent.objects] == [(key, f"old-{key}") for key in ids("a", "b")]
    assert tags(stream.answer()) == ["apply.intended"]
    assert stream.owned("db") == {"a": "", "b": "", "c": "uid-c"}
    stream.rest()
    assert stream.state.phase == Phase.READY
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b", "c": "uid-c"}


def test_the_wait_is_bounded_by_the_time_out_of_the_stage():
    stream = conflicted("a", given=spec(stage("db", timeout="90s")))
    assert to_ms(stream.state.pending.event.deadline) == stream.now_ms + 90_000


def test_a_failed_apply_without_a_way_out_halts_as_before():
    stream = Stream(db=("a",))
    stream.fact(opened("db"))
    assert tags(stream.until("apply").fail()) == ["stage.failed", "run.failed", "run.retry.scheduled"]


def test_what_cannot_be_deleted_fails_the_apply():
    stream = conflicted("a")
    failed, *_ = stream.fail(objects=items("a", action="terminating"))
    assert isinstance(failed.event, e.StageFailed)
    assert failed.event.operation == "apply"
    assert stream.owned("db")["a"] == "uid-a"


def test_one_object_is_replaced_once_in_a_run():
    stream = conflicted("a")
    stream.answer()
    failed, *_ = stream.answer(in_the_way("a"), outcome="failed")
    assert isinstance(failed.event, e.StageFailed)
    assert "ConfigMap/shop/a was deleted and made anew in this run, and is refused again" in failed.event.message


def test_what_later_ranks_reveal_is_replaced_too():
    stream = conflicted("a")
    stream.answer()
    assert tags(stream.answer(in_the_way("b"), outcome="failed")) == ["replace.intended"]
    stream.rest()
    assert stream.state.phase == Phase.READY


@pytest.mark.parametrize("what", ["spec", "suspended", "deletion"])
def test_whatever_is_wanted_by_now_what_was_deleted_exists_again_first(what):
    stream = conflicted("a")
    if what == "suspended":
        stream.fact(e.OperatorSuspended())
    elif what == "deletion":
        stream.fact(opened(trigger="deletion", given=spec("db")))
    else:
        stream.fact(opened("db", revision="v3", generation=2, trigger="spec"))
    assert stream.state.phase == Phase.REPLACING
    assert tags(stream.answer()) == ["apply.intended"]
    applied = stream.answer()
    assert "run.superseded" in tags(applied)
    assert stream.owned("db")["a"] == "uid-a"


def test_before_the_deletion_a_newer_spec_wins():
    stream = Stream(db=("a",))
    stream.fact(opened("db"))
    stream.until("apply").fact(opened("db", generation=2, trigger="spec"))
    decided = tags(stream.answer(in_the_way("a"), outcome="failed"))
    assert decided[0] == "run.superseded"
    assert "replace.intended" not in decided


def test_what_moved_here_from_another_stage_stays_moved():
    stream = Stream(db=("a",), app=("b",))
    stream.fact(opened("db", "app"))
    stream.rest()
    stream.renders |= {"db": ("a", "b"), "app": ("c",)}
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("apply", "db")
    answer = in_the_way("a")
    moved = e.Item(id=ids("b")[0], v="v1", uid="uid-b", rv="8", action="configured")
    both = e.ApplyFinished(objects=[*answer.objects, moved], replace=answer.replace, reason="ImmutableField")
    assert tags(stream.answer(both, outcome="failed")) == ["stage.transferred", "replace.intended"]
    stream.rest()
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}
    assert stream.refold() == stream.state
