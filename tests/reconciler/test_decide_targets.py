"""Decisions about where a stage's objects are: a way to the cluster that changed, and one that is gone for good."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger import events as e
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, ids, opened, spec, tags


def to(secret: str, *names: str) -> dict:
    return spec(*(names or ("db",)), kubeConfig={"secretRef": {"name": secret}})


def on(secret: str) -> Stream:
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db", given=to(secret)))
    stream.rest()
    return stream


def test_the_intent_says_how_the_cluster_is_reached():
    stream = Stream()
    stream.fact(opened("db", given=to("prod")))
    assert stream.state.pending.event.kubeconfig == "prod/value"
    stream.rest()
    assert stream.state.stages["db"].kubeconfig == "prod/value"


def test_another_way_to_the_same_cluster_is_taken():
    stream = on("prod")
    stream.fact(opened("db", given=to("prod-rotated"), generation=2))
    intent = stream.state.pending.event
    assert [item.id for item in intent.owned] == ids("a", "b")
    seen = [replace(intent.owned[0], action="found"), e.Item(id=ids("b")[0], v="v1", action="gone")]
    assert tags(stream.answer(e.ConnectFinished(owned=seen))) == ["fetch.intended"]
    stream.rest()
    assert stream.state.stages["db"].kubeconfig == "prod-rotated/value"
    stream.fact(opened("db", given=to("prod-rotated"), revision="v2", generation=2))
    assert stream.state.pending.event.owned == []


def test_another_cluster_is_refused_while_there_is_something_to_leave_behind():
    stream = on("prod")
    stream.fact(opened("db", given=to("stage"), generation=2))
    gone = [replace(item, uid="", action="gone") for item in stream.state.pending.event.owned]
    failed, *_ = stream.answer(e.ConnectFinished(owned=gone))
    assert isinstance(failed.event, e.StageFailed)
    assert (failed.event.operation, failed.event.reason) == ("connect to target cluster", "TargetChanged")
    assert "owns 2 objects (ConfigMap/shop/a, …) on the cluster of Secret prod/value" in failed.event.message
    assert "none of them is on the cluster of Secret stage/value" in failed.event.message
    assert stream.state.stages["db"].kubeconfig == "prod/value"


def test_back_at_the_first_cluster_all_is_well():
    stream = on("prod")
    stream.fact(opened("db", given=to("stage"), generation=2))
    stream.answer(e.ConnectFinished())
    assert stream.state.phase == Phase.FAILED
    stream.fact(opened("db", given=to("prod"), generation=3))
    stream.rest()
    assert stream.state.phase == Phase.READY


def test_a_stage_that_left_the_spec_is_taken_down_where_it_is():
    stream = on("prod")
    stream.fact(opened("app", given=to("stage", "app"), generation=2))
    stream.until("connect", "db")
    assert stream.state.pending.event.kubeconfig == "prod/value"


@pytest.mark.parametrize("reason", ["NotFound", "NoAccount", "KubeconfigMissing", "Forbidden", "Unauthorized"])
def test_a_teardown_that_nobody_can_help_is_given_up_after_three_tries(reason):
    stream = on("prod")
    stream.fact(opened(trigger="deletion", given=to("prod")))
    for last in (False, False, True):
        event = e.ConnectFinished(reason=reason, message="no way in", retryable=False)
        decided = stream.answer(event, outcome="failed")
        assert (tags(decided)[-1] == "stageset.released") == last
        if not last:
            stream.now_ms = stream.state.retry_ms
            stream.fact(opened(trigger="deletion", given=to("prod")))
    assert stream.state.phase == Phase.RELEASED
    released = decided[-1].event
    assert isinstance(released, e.StageSetReleased)
    assert [item.id for item in released.left] == ids("a", "b")
    assert released.why == "no way in"


def test_a_cluster_that_does_not_answer_is_waited_for():
    stream = on("prod")
    stream.fact(opened(trigger="deletion", given=to("prod")))
    for _ in range(5):
        event = e.ConnectFinished(reason="Unavailable", message="no route", retryable=True)
        assert tags(stream.answer(event, outcome="failed"))[-1] == "run.retry.scheduled"
        stream.now_ms = stream.state.retry_ms
        stream.fact(opened(trigger="deletion", given=to("prod")))
