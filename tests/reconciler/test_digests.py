"""What identifies the work of a run, and what does not."""

from __future__ import annotations

from msgspec.structs import replace

from ledger.events import Pin
from reconciler import digests
from tests.reconciler.making import Stream, opened, pins, spec, stage


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digests.of({"a": 1, "b": 2}) == digests.of({"b": 2, "a": 1})
    assert digests.of({"a": 1}) != digests.of({"a": 2})


def test_a_stage_digest_covers_its_own_pins_alone():
    both = [*pins("db", "app")]
    assert digests.stage_digest("db", both) == digests.stage_digest("db", pins("db"))
    assert digests.stage_digest("db", both) != digests.stage_digest("db", pins("db", revision="v2"))
    assert digests.stage_digest("db", both) != digests.stage_digest("app", both)


def test_a_stage_digest_covers_the_pins_of_its_actions():
    action = Pin(stage="db", action="migrate", source="ExternalArtifact/shop/jobs", digest="sha256:" + "0" * 64)
    assert digests.stage_digest("db", [*pins("db"), action]) != digests.stage_digest("db", pins("db"))


def test_an_actions_pin_is_not_the_stages_own():
    (own,) = pins("db")
    assert digests.stage_digest("db", [own, replace(own, action="migrate")]) != digests.stage_digest("db", [own, own])


def test_a_url_is_where_the_artifact_is_and_not_what_it_is():
    moved = [
        Pin(stage=p.stage, source=p.source, url="http://other.test", revision=p.revision, digest=p.digest)
        for p in pins("db")
    ]
    assert digests.stage_digest("db", moved) == digests.stage_digest("db", pins("db"))


def test_a_snapshot_digest_covers_the_order_of_the_stages():
    assert digests.snapshot_digest(["a", "b"]) != digests.snapshot_digest(["b", "a"])


def test_timeouts_intervals_and_retries_are_in_no_digest():
    stream = Stream()
    stream.fact(opened("db"))
    first = stream.state.run
    tuned = spec(
        stage("db", timeout="1h", readyChecks={"timeout": "2h"}), interval="1h", retryInterval="3h", timeout="9m"
    )
    stream.rest().fact(opened(given=tuned, generation=2, trigger="spec"))
    second = stream.state.run
    assert first
    assert second
    assert first.id != second.id
    assert first.snapshot == second.snapshot
    assert [p.digest for p in first.plans] == [p.digest for p in second.plans]
    assert first.plans[0].verify_timeout_ms != second.plans[0].verify_timeout_ms
