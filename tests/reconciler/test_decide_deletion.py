"""Decisions of a teardown: what it takes down in which order, and that nobody needs to let it."""

from __future__ import annotations

import pytest

from ledger import events as e
from reconciler.decide import UNBREAKABLE
from reconciler.policy import read_policy
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, items, opened, spec, tags

OPERATIONS = ("connect", "fetch", "build", "apply", "verify")


def ready(*names: str, **renders: tuple[str, ...]) -> Stream:
    stream = Stream(**renders)
    stream.fact(opened(*names))
    return stream.rest()


def test_a_deletion_takes_down_last_one_first_and_then_releases():
    stream = ready("db", "app")
    at = len(stream.tags)
    stream.fact(opened(trigger="deletion", given=spec("db", "app")))
    found = stream.rest().tags[at:]
    assert [tag for tag in found if tag.startswith(("prune.intended", "stage.removed", "stageset"))] == [
        "prune.intended app",
        "stage.removed app",
        "prune.intended db",
        "stage.removed db",
        "stageset.released",
    ]
    assert stream.state.phase == Phase.RELEASED


def test_what_never_ran_is_released_at_once():
    stream = Stream()
    assert tags(stream.fact(opened(trigger="deletion", given=spec("db")))) == ["stageset.released"]


@pytest.mark.parametrize("operation", [*OPERATIONS, "prune"])
def test_a_deletion_while_a_run_is_at_work(operation):
    stream = ready("db", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    stream.until(operation).fact(opened(trigger="deletion", given=spec("db")))
    if operation in UNBREAKABLE:
        stream.answer()
    assert stream.state.run.trigger == "deletion"
    stream.rest()
    assert stream.state.phase == Phase.RELEASED
    assert stream.state.stages == {}


@pytest.mark.parametrize("before", ["suspended", "blocked", "failed"])
def test_a_deletion_needs_nobodys_leave(before):
    stream = ready("db")
    if before == "suspended":
        stream.fact(e.OperatorSuspended())
    elif before == "blocked":
        stream.fact(e.RunBlocked(reason="InvalidSpec", message="bad", generation=2))
    else:
        stream.fact(opened("db", revision="v2"))
        stream.fail()
    stream.fact(opened(trigger="deletion", given=spec("db")))
    assert stream.rest().state.phase == Phase.RELEASED


def test_suspending_does_not_stop_a_deletion():
    stream = ready("db")
    stream.fact(opened(trigger="deletion", given=spec("db")))
    assert stream.fact(e.OperatorSuspended()) == ()
    assert stream.rest().state.phase == Phase.RELEASED


def test_a_teardown_that_fails_is_tried_with_longer_and_longer_pauses_and_says_why_meanwhile():
    stream, found = ready("db"), []
    stream.fact(opened(trigger="deletion", given=spec("db")))
    for _ in range(4):
        stream.until("prune").fail(objects=items("db", action="terminating"))
        found.append(round((stream.state.retry_ms - stream.now_ms) / 1000, -1))
        stream.now_ms = stream.state.retry_ms
        stream.fact(opened(trigger="deletion", given=spec("db")))
        assert stream.state.failure is not None
    assert found[-1] > found[0]
    assert stream.state.failures == 4
    assert stream.rest().state.phase == Phase.RELEASED


def test_a_teardown_ends_when_its_time_is_over_and_records_what_it_leaves_behind():
    stream = ready("db", db=("a", "b"))
    stream.fact(opened(trigger="deletion", given=spec("db")))
    began, bound = stream.state.teardown_since_ms, read_policy(stream.state.run.policy).teardown_ms
    for _ in range(200):
        stream.until("prune").fail()
        if stream.state.phase == Phase.RELEASED:
            break
        assert stream.state.retry_ms <= began + bound, "no try is planned after the end"
        stream.now_ms = stream.state.retry_ms
        stream.fact(opened(trigger="deletion", given=spec("db")))
    assert stream.state.phase == Phase.RELEASED
    released = stream.entries[-1].event
    assert [item.id.split("_")[1] for item in released.left] == ["a", "b"]
    assert {item.message for item in released.left} == {"it broke"}
    assert stream.now_ms - began <= bound + 1
