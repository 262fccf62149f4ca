"""Which fact what is seen calls for; in a steady state, none."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import events as e
from reconciler.triggers import Obstacle, Seen, next_fact
from tests.reconciler.making import Stream, opened, pins, policy_for, spec

NOT_READY = Obstacle(
    "SourceNotReady", "stage db: source ExternalArtifact shop/db is not ready: it has no Ready condition"
)
WAITING = Obstacle("DependencyNotReady", "dependsOn: StageSet shop/base is not ready")
INVALID = Obstacle("InvalidSpec", "spec.stages: at least one")


def seen(*names: str, revision: str = "v1", **fields: Any) -> Seen:
    given = spec(*(names or ("db",)))
    found: dict[str, Any] = {
        "generation": 1,
        "spec": given,
        "requested_at": "",
        "suspend": False,
        "deleting": False,
        "policy": policy_for(given),
        "pins": tuple(pins(*(names or ("db",)), revision=revision)),
    }
    return Seen(**{**found, **fields})


def fact(stream: Stream, look: Seen) -> e.Event | None:
    return next_fact(stream.state, look, now_ms=stream.now_ms)


def ready() -> Stream:
    stream = Stream()
    stream.fact(opened("db"))
    return stream.rest()


def failed() -> Stream:
    stream = Stream()
    stream.fact(opened("db"))
    stream.fail()
    return stream


def applying() -> Stream:
    stream = Stream()
    stream.fact(opened("db"))
    return stream.until("apply")


def torn_down() -> Stream:
    stream = ready()
    stream.fact(opened("db", trigger="deletion"))
    return stream.rest()


def settled(stream: Stream, look: Seen, *, facts_max: int = 3) -> list[e.Event]:
    """Record what is called for until nothing is, as a driver does."""
    found: list[e.Event] = []
    while (event := fact(stream, look)) is not None:
        found.append(event)
        assert len(found) <= facts_max, [e.tag_of(one) for one in found]
        stream.fact(event)
    return found


OPENINGS = [
    (Stream, {}, "snapshot"),
    (ready, {"revision": "v2"}, "snapshot"),
    (ready, {"generation": 2}, "spec"),
    (ready, {"requested_at": "t"}, "request"),
    (ready, {"requested_at": "t", "generation": 2, "revision": "v2"}, "request"),
    (ready, {"drifted": True}, "drift"),
    (ready, {"deleting": True}, "deletion"),
    (Stream, {"deleting": True, "pins": None, "obstacle": INVALID}, "deletion"),
    (failed, {"revision": "v2"}, "snapshot"),
    (failed, {"generation": 2}, "spec"),
    (failed, {"requested_at": "t"}, "request"),
    (failed, {"deleting": True}, "deletion"),
    (applying, {"revision": "v2"}, "snapshot"),
    (applying, {"generation": 2}, "spec"),
    (applying, {"requested_at": "t"}, "request"),
    (applying, {"deleting": True, "pins": None, "obstacle": NOT_READY}, "deletion"),
]


@pytest.mark.parametrize(("before", "fields", "trigger"), OPENINGS)
def test_what_opens_a_run_opens_it_once(before, fields, trigger):
    stream, look = before(), seen(**fields)
    found = settled(stream, look)
    assert [(one.trigger, one.generation, one.requested_at) for one in found] == [
        (trigger, look.generation, look.requested_at)
    ]
    assert list(found[0].pins) == ([] if trigger == "deletion" else list(look.pins))
    assert fact(stream, look) is None


QUIET = [
    (ready, {}),
    (ready, {"pins": None, "obstacle": NOT_READY}),
    (ready, {"pins": None}),
    (failed, {}),
    (failed, {"drifted": True}),
    (failed, {"pins": None, "obstacle": NOT_READY}),
    (applying, {}),
    (applying, {"drifted": True}),
    (applying, {"pins": None, "obstacle": NOT_READY}),
    (Stream, {"pins": None}),
    (torn_down, {"deleting": True}),
    (torn_down, {"generation": 5}),
]


@pytest.mark.parametrize(("before", "fields"), QUIET)
def test_a_steady_state_calls_for_nothing(before, fields):
    assert fact(before(), seen(**fields)) is None


# ── retries ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_retry_is_due_and_not_earlier():
    stream = failed()
    stream.now_ms = stream.state.retry_ms - 1
    assert fact(stream, seen()) is None
    stream.now_ms += 1
    assert fact(stream, seen()).trigger == "retry"


def test_a_retry_uses_the_pins_that_are_kept_while_a_source_is_not_ready():
    stream = failed()
    stream.now_ms = stream.state.retry_ms
    event = fact(stream, seen(pins=None, obstacle=NOT_READY))
    assert event.trigger == "retry"
    assert event.pins == pins("db")
    snapshot = stream.state.run.snapshot
    stream.fact(event)
    assert stream.state.run.snapshot == snapshot


@pytest.mark.parametrize(
    ("before", "fields", "found"),
    [
        (Stream, {}, "run.blocked"),
        (ready, {"revision": "v2"}, "run.blocked"),
        (ready, {"generation": 2}, "run.blocked"),
        (ready, {"requested_at": "t"}, "run.blocked"),
        (ready, {"drifted": True}, "run.opened"),
        (ready, {"deleting": True}, "run.opened"),
        (failed, {"revision": "v2"}, "run.blocked"),
    ],
)
def test_a_dependency_holds_what_is_new_and_nothing_that_was_begun(before, fields, found):
    stream, look = before(), seen(**fields, obstacle=WAITING)
    assert look.pins is not None
    assert [e.tag_of(one) for one in settled(stream, look)] == [found]
    if found == "run.blocked":
        (opened,) = settled(stream, look._replace(obstacle=None))
        assert opened.trigger in {"snapshot", "spec", "restored"}
        assert list(opened.pins) == list(look.pins)


def test_a_retry_goes_on_whatever_a_dependency_does():
    stream = failed()
    look = seen(obstacle=WAITING)
    assert fact(stream, look) is None
    stream.now_ms = stream.state.retry_ms
    assert fact(stream, look).trigger == "retry"
    # A newer revision takes its place, and waits.
    assert [e.tag_of(one) for one in settled(stream, seen(revision="v2", obstacle=WAITING))] == ["run.blocked"]


def test_a_retry_waits_for_a_spec_that_was_broken_meanwhile():
    stream = failed()
    stream.now_ms = stream.state.retry_ms
    look = seen(pins=None, obstacle=INVALID, generation=2)
    assert [e.tag_of(one) for one in settled(stream, look)] == ["run.blocked"]
    assert fact(stream, seen(generation=3)).trigger == "spec"


def test_drift_is_mended_while_the_source_is_away():
    event = fact(ready(), seen(pins=None, obstacle=NOT_READY, drifted=True))
    assert isinstance(event, e.RunOpened)
    assert (event.trigger, event.pins) == ("drift", pins("db"))


# ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hold_is_told_once_and_again_when_it_says_something_else():
    stream = Stream()
    look = seen(pins=None, obstacle=NOT_READY)
    assert settled(stream, look) == [e.RunBlocked(reason="SourceNotReady", message=NOT_READY.message, generation=1)]
    other = look._replace(obstacle=Obstacle("ArtifactNotFound", "stage db: there is none"))
    assert [one.reason for one in settled(stream, other)] == ["ArtifactNotFound"]
    assert [one.generation for one in settled(stream, other._replace(generation=2))] == [2]


def test_a_request_is_answered_once_also_when_nothing_can_be_done():
    for before in (Stream, ready, failed):
        stream = before()
        look = seen(pins=None, obstacle=NOT_READY, requested_at="t1")
        assert [(e.tag_of(one), one.requested_at) for one in settled(stream, look)] == [("run.blocked", "t1")]
        assert stream.state.requested_at == "t1"
        again = look._replace(requested_at="t2")
        assert [one.requested_at for one in settled(stream, again)] == ["t2"]


def test_a_request_that_could_not_be_followed_is_over_when_the_source_is_back():
    stream = ready()
    settled(stream, seen(pins=None, obstacle=NOT_READY, requested_at="t1"))
    found = settled(stream, seen(requested_at="t1"))
    assert [one.trigger for one in found] == ["restored"]
    stream.rest()
    assert stream.state.blocked is None
    assert fact(stream, seen(requested_at="t1")) is None


def test_a_fixed_cause_starts_at_once_after_a_permanent_failure():
    stream = Stream()
    stream.fact(opened("db"))
    stream.fail(retryable=False)
    assert fact(stream, seen()) is None
    assert fact(stream, seen(revision="v2")).trigger == "snapshot"
    assert fact(stream, seen(generation=2)).trigger == "spec"


def test_an_invalid_spec_holds_a_run_at_work_and_a_fixed_one_opens_the_next_once():
    stream = applying()
    assert [e.tag_of(one) for one in settled(stream, seen(pins=None, obstacle=INVALID, generation=2))] == [
        "run.blocked"
    ]
    # The apply is still under way: one run waits, and it is not opened again and again.
    assert [one.trigger for one in settled(stream, seen(generation=3))] == ["spec"]
    stream.answer()
    assert stream.state.run.generation == 3
    assert stream.state.blocked is None


def test_a_source_that_is_not_ready_any_more_does_not_stop_the_run_at_work():
    stream = applying()
    assert settled(stream, seen(pins=None, obstacle=NOT_READY)) == []
    assert stream.rest().state.applied


# ── suspend ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_suspending_and_resuming_are_told_once_and_the_toggles_generation_opens_one_run():
    stream = ready()
    assert settled(stream, seen(suspend=True, generation=2)) == [e.OperatorSuspended()]
    # Nothing of what happens meanwhile is followed.
    asleep = seen(suspend=True, generation=3, revision="v2", requested_at="t", drifted=True)
    assert settled(stream, asleep) == []
    found = settled(stream, seen(generation=4, revision="v2", requested_at="t"))
    assert [e.tag_of(one) for one in found] == ["operator.resumed", "run.opened"]
    assert found[1].trigger == "request"


def test_a_suspended_stageset_that_never_ran_begins_when_it_is_resumed():
    stream = Stream()
    assert settled(stream, seen(suspend=True)) == [e.OperatorSuspended()]
    assert [e.tag_of(one) for one in settled(stream, seen(generation=2))] == ["operator.resumed", "run.opened"]


def test_a_run_that_was_broken_off_by_suspending_is_taken_up_again():
    stream = Stream()
    stream.fact(opened("db"))
    stream.fact(e.OperatorSuspended())
    found = settled(stream, seen())
    assert [e.tag_of(one) for one in found] == ["operator.resumed", "run.opened"]
    assert found[1].trigger == "restored"


# ── deletion ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("before", [Stream, ready, failed, applying])
@pytest.mark.parametrize("suspend", [True, False])
def test_a_deletion_is_begun_once_whatever_was_before(before, suspend):
    stream = before()
    if suspend:
        stream.fact(e.OperatorSuspended())
    look = seen(deleting=True, suspend=suspend, pins=None, obstacle=INVALID)
    assert [one.trigger for one in settled(stream, look)] == ["deletion"]
    stream.rest()
    assert fact(stream, look) is None
    assert stream.state.phase == "released"


def test_a_failed_deletion_is_tried_again_when_it_is_due():
    stream = ready()
    stream.fact(opened("db", trigger="deletion"))
    stream.until("prune").fail()
    look = seen(deleting=True)
    assert fact(stream, look) is None
    stream.now_ms = stream.state.retry_ms
    assert fact(stream, look).trigger == "deletion"
