"""Decisions: the order of a run, what halts it, what interrupts it, what is pruned and what is not."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.instant import to_ms
from reconciler.decide import UNBREAKABLE, readable
from reconciler.transitions import Phase
from tests.reconciler.making import Stream, items, opened, spec, stage, tags

OPERATIONS = ("connect", "fetch", "build", "apply", "verify")
WORDS = {"connect": "connect to target cluster", "fetch": "fetch artifact"}


def ready(*names: str, **renders: tuple[str, ...]) -> Stream:
    stream = Stream(**renders)
    stream.fact(opened(*names))
    stream.rest()
    assert stream.state.phase == Phase.READY
    return stream


def since(stream: Stream, at: int) -> list[str]:
    return stream.tags[at:]


# ── a run ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_a_good_run():
    stream = ready("db", "app")
    one = [
        "stage.started {0}",
        *(f"{operation}.{word} {{0}}" for operation in OPERATIONS for word in ("intended", "finished")),
        "stage.succeeded {0}",
    ]
    expected = ["run.opened", *(tag.format(name) for name in ("db", "app") for tag in one), "run.succeeded"]
    assert stream.tags == expected


def test_intents_say_what_they_are_for():
    stream = Stream()
    given = spec(stage("db", path="./d", timeout="3m"), serviceAccountName="sa")
    stream.fact(opened(given=given))
    found = {e.tag_of(one.event): one.event for one in stream.until("verify").entries}
    assert found["connect.intended"] == e.ConnectIntended(service_account="sa")
    fetch, build, apply, verify = (found[f"{o}.intended"] for o in OPERATIONS[1:])
    assert isinstance(fetch, e.FetchIntended)
    assert fetch.pin.revision == "v1"
    assert isinstance(build, e.BuildIntended)
    assert (build.artifact, build.path) == (fetch.pin.digest, "./d")
    assert isinstance(apply, e.ApplyIntended)
    assert apply.objects == 1
    assert isinstance(verify, e.VerifyIntended)
    assert to_ms(verify.deadline) == stream.now_ms + 180_000


def test_intents_carry_a_request_digest_and_decisions_their_run():
    stream = Stream()
    (started, connect) = stream.fact(opened("db"))
    assert started.req == ""
    assert connect.req.startswith("sha256:")
    assert connect.run == started.run == "run-1"
    assert connect.snapshot == stream.state.run.snapshot
    assert (started.stage, connect.stage) == ("db", "db")
    assert started.state == ""
    assert connect.state.startswith("sha256:")


# ── failure ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_that_fails_halts_the_run_and_leaves_later_stages(operation):
    stream = ready("db", "app", "web")
    before = stream.state.stages["web"]
    stream.fact(opened("db", "app", "web", revision="v2"))
    decisions = stream.until(operation, "app").fail()
    assert tags(decisions) == ["stage.failed", "run.failed", "run.retry.scheduled"]
    failed, run, retry = (draft.event for draft in decisions)
    assert isinstance(failed, e.StageFailed)
    assert isinstance(run, e.RunFailed)
    assert isinstance(retry, e.RunRetryScheduled)
    words = WORDS.get(operation, operation)
    assert (failed.operation, failed.reason, failed.message, failed.retryable) == (words, "Broken", "it broke", True)
    assert run.message == f"stage app: {words}: it broke"
    assert [draft.stage for draft in decisions[:2]] == ["app", "app"]
    assert stream.state.phase == Phase.FAILED
    web = stream.state.stages["web"]
    assert (web.digest, web.revision, web.owned) == (before.digest, before.revision, before.owned)
    assert stream.state.stages["db"].revision == "v2"


def test_a_refused_or_indeterminate_answer_is_a_failure_too():
    for outcome in ("refused", "indeterminate"):
        stream = Stream()
        stream.fact(opened("db"))
        stream.answer(e.ConnectFinished(reason="Forbidden", message="no"), outcome=outcome)
        assert stream.state.failure
        assert stream.state.failure.reason == "Forbidden"


def test_a_failed_prune_is_a_failure_of_its_stage():
    stream = ready("db", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    stream.until("prune").fail(objects=items("b", action="failed"))
    assert stream.state.failure
    assert stream.state.failure.operation == "prune"
    assert stream.state.stages["db"].revision == "v1"
    stream.now_ms = stream.state.retry_ms
    stream.fact(opened("db", revision="v2", trigger="retry"))
    stream.rest()
    assert stream.state.phase == Phase.READY
    assert stream.owned("db") == {"a": "uid-a"}


def pauses(*, retryable: bool, rounds: int, **fields: str) -> list[int]:
    stream, found = Stream(), []
    given = spec("db", **fields)
    stream.fact(opened(given=given))
    for _ in range(rounds):
        stream.fail(retryable=retryable)
        found.append(stream.state.retry_ms - stream.now_ms)
        stream.now_ms = stream.state.retry_ms
        stream.fact(opened(given=given, trigger="retry"))
    return found


def test_retries_pause_longer_and_longer_up_to_the_retry_interval():
    found = pauses(retryable=True, rounds=8, retryInterval="1m")
    for pause, base in zip(found, (5, 10, 20, 40, 60, 60, 60, 60), strict=True):
        assert base * 1000 <= pause <= base * 1100
    assert len(set(found[4:])) > 1


def test_a_short_retry_interval_is_short_from_the_start():
    assert all(1000 <= pause <= 1100 for pause in pauses(retryable=True, rounds=3, retryInterval="1s"))


def test_a_permanent_failure_is_looked_at_again_at_the_interval():
    assert all(600_000 <= pause <= 660_000 for pause in pauses(retryable=False, rounds=3, retryInterval="1m"))


def test_the_jitter_is_derived_from_the_run():
    assert pauses(retryable=True, rounds=4) == pauses(retryable=True, rounds=4)


def test_another_snapshot_a_spec_and_a_request_begin_with_the_first_pause_again():
    for again in (
        opened("db", revision="v2"),
        opened("db", generation=2, trigger="spec"),
        opened("db", trigger="request", requested_at="now"),
    ):
        stream = Stream()
        stream.fact(opened("db"))
        for _ in range(3):
            stream.fail()
            stream.fact(opened("db", trigger="retry"))
        stream.fail()
        stream.fact(again)
        assert (stream.state.failures, stream.state.failure) == (0, None)
        stream.fail()
        assert stream.state.retry_ms - stream.now_ms <= 5_500


# ── interruption ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o not in UNBREAKABLE])
def test_a_newer_snapshot_supersedes_what_can_be_broken_off(operation):
    stream = Stream()
    stream.fact(opened("db"))
    decisions = stream.until(operation).fact(opened("db", revision="v2"))
    assert tags(decisions) == ["run.superseded", "stage.started", "connect.intended"]
    superseded = decisions[0]
    assert superseded.event == e.RunSuperseded(reason="snapshot")
    assert superseded.run == "run-1"
    assert decisions[1].run == stream.state.run.id != "run-1"


@pytest.mark.parametrize("operation", ["apply", "prune"])
@pytest.mark.parametrize("ok", [True, False])
def test_what_changes_the_cluster_is_answered_first(operation, ok):
    stream = ready("db", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    stream.until(operation)
    assert stream.fact(opened("db", revision="v3")) == ()
    assert stream.state.waiting is not None
    intent = stream.state.pending
    # Yet another one: only the newest is begun.
    assert stream.fact(opened("db", revision="v4")) == ()
    assert stream.state.pending == intent
    decisions = stream.answer() if ok else stream.fail()
    assert tags(decisions) == ["run.superseded", "stage.started", "connect.intended"]
    assert stream.state.waiting is None
    assert [plan.pin.revision for plan in stream.state.run.plans] == ["v4"]
    assert stream.state.failure is None


def test_what_was_applied_before_a_supersession_is_owned():
    stream = Stream(db=("a",))
    stream.fact(opened("db"))
    stream.until("apply")
    stream.fact(opened("db", revision="v2"))
    stream.answer()
    assert stream.owned("db") == {"a": "uid-a"}


@pytest.mark.parametrize("operation", [*OPERATIONS, "prune"])
def test_suspending_stops_a_run_between_two_effects_and_resuming_goes_on(operation):
    stream = ready("db", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", revision="v2"))
    decisions = stream.until(operation).fact(e.OperatorSuspended())
    if operation in UNBREAKABLE:
        assert decisions == ()
        decisions = stream.answer()
    assert [draft.event for draft in decisions] == [e.RunSuperseded(reason="suspended")]
    assert (stream.state.phase, stream.state.pending) == (Phase.IDLE, None)
    assert stream.fact(e.OperatorResumed()) == ()
    stream.fact(opened("db", revision="v2", trigger="restored"))
    assert stream.rest().state.phase == Phase.READY


def test_a_run_that_waited_does_not_begin_while_suspended():
    stream = Stream()
    stream.fact(opened("db"))
    stream.until("apply").fact(opened("db", revision="v2"))
    stream.fact(e.OperatorSuspended())
    decisions = stream.answer()
    assert tags(decisions) == ["run.superseded", "run.superseded"]
    assert stream.state.phase == Phase.IDLE


def test_suspending_at_rest_decides_nothing():
    stream = ready("db")
    assert stream.fact(e.OperatorSuspended()) == ()
    assert stream.fact(e.OperatorResumed()) == ()
    assert stream.state.phase == Phase.READY


def test_a_hold_stops_the_run_at_work():
    stream = Stream()
    stream.fact(opened("db"))
    decisions = stream.until("verify").fact(e.RunBlocked(reason="InvalidSpec", message="bad", generation=2))
    assert [draft.event for draft in decisions] == [e.RunSuperseded(reason="InvalidSpec")]
    assert stream.state.phase == Phase.IDLE
    assert stream.state.blocked is not None


# ── prune, moves, removals ───────────────────────────────────────────────────────────────────────────────────────


def test_dropped_objects_are_pruned_after_the_stage_is_verified_and_before_the_next_one():
    stream = ready("db", "app", db=("a", "b"))
    stream.renders["db"] = ("a",)
    at = len(stream.tags)
    stream.fact(opened("db", "app", revision="v2"))
    stream.rest()
    found = since(stream, at)
    prune = found.index("prune.intended db")
    assert found.index("verify.finished db") < prune < found.index("stage.succeeded db")
    # The stage after it was looked at first.
    assert found.index("build.finished app") < prune < found.index("stage.started app")
    intent = next(one.event for one in stream.entries[at:] if isinstance(one.event, e.PruneIntended))
    assert [(one.id, one.uid) for one in intent.objects] == [("shop_b__ConfigMap", "uid-b")]


def test_nothing_is_looked_at_ahead_when_nothing_was_dropped():
    stream = ready("db", "app")
    at = len(stream.tags)
    stream.fact(opened("db", "app", revision="v2"))
    found = since(stream.rest(), at)
    assert found.count("build.intended app") == 1


def test_prune_false_keeps_what_was_dropped():
    given = spec(stage("db", prune=False))
    stream = Stream(db=("a", "b"))
    stream.fact(opened(given=given))
    stream.rest()
    stream.renders["db"] = ("a",)
    stream.fact(opened(given=given, revision="v2"))
    assert stream.rest().state.phase == Phase.READY
    assert not any("prune" in tag for tag in stream.tags)
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}


def test_an_object_that_moves_to_a_later_stage_is_handed_over_and_not_deleted():
    stream = ready("db", "app", "web", db=("db", "x"))
    stream.renders |= {"db": ("db",), "web": ("web", "x")}
    at = len(stream.tags)
    stream.fact(opened("db", "app", "web", revision="v2"))
    found = since(stream.rest(), at)
    assert stream.state.phase == Phase.READY
    assert not any("prune" in tag for tag in found)
    assert found.index("apply.finished web") < found.index("stage.transferred web")
    assert stream.owned("db") == {"db": "uid-db"}
    assert stream.owned("web") == {"web": "uid-web", "x": "uid-x"}


def test_an_object_that_moves_to_an_earlier_stage_is_handed_over():
    stream = ready("db", "app", app=("app", "x"))
    stream.renders |= {"db": ("db", "x"), "app": ("app",)}
    stream.fact(opened("db", "app", revision="v2"))
    assert stream.rest().state.phase == Phase.READY
    assert not any("prune" in tag for tag in stream.tags)
    assert stream.owned("db") == {"db": "uid-db", "x": "uid-x"}


def test_an_object_that_was_made_anew_while_it_moved_is_handed_over_too():
    stream = ready("db", "app", db=("db", "x"))
    stream.renders |= {"db": ("db",), "app": ("app", "x")}
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("apply", "app")
    stream.answer(e.ApplyFinished(objects=[*items("app", uid="uid-app"), *items("x", uid="another")]))
    assert stream.owned("db") == {"db": "uid-db"}
    assert stream.owned("app") == {"app": "uid-app", "x": "another"}
    # The stage that had it leaves: what is another stage's now stays.
    stream.rest().fact(opened("app", revision="v2", generation=2, trigger="spec"))
    stream.until("prune", "db")
    intent = stream.state.pending.event
    assert isinstance(intent, e.PruneIntended)
    assert [one.id for one in intent.objects] == ["shop_db__ConfigMap"]


@pytest.mark.parametrize("operation", ["fetch", "build"])
def test_who_cannot_see_ahead_deletes_nothing_until_all_stages_were_seen(operation):
    stream = ready("db", "app", "web", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", "app", "web", revision="v2"))
    decisions = stream.until("verify", "db").answer()
    assert tags(decisions) == ["fetch.intended"]
    decisions = stream.until(operation, "app").fail()
    # It looks at the others all the same, and fails nothing.
    assert tags(decisions) == ["fetch.intended"]
    assert decisions[0].stage == "web"
    assert stream.state.failure is None
    assert stream.state.run.stage == "db"
    stream.until("verify", "web")
    assert not any("prune" in tag for tag in stream.tags)
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}
    # Once every stage was seen at its own turn it can be told what nobody renders.
    stream.rest()
    assert stream.state.phase == Phase.READY
    assert stream.owned("db") == {"a": "uid-a"}
    assert "prune.intended db" in stream.tags


@pytest.mark.parametrize("operation", ["fetch", "build"])
def test_what_could_not_be_seen_ahead_and_fails_at_its_turn_keeps_everything(operation):
    stream = ready("db", "app", db=("a", "b"))
    stream.renders["db"] = ("a",)
    stream.fact(opened("db", "app", revision="v2"))
    stream.until(operation, "app").fail()
    stream.until("connect", "app").until(operation, "app").fail()
    assert stream.state.phase == Phase.FAILED
    assert stream.state.failure.stage == "app"
    assert not any("prune" in tag for tag in stream.tags)
    assert stream.owned("db") == {"a": "uid-a", "b": "uid-b"}


def test_two_stages_that_claim_one_object_fail_the_second_before_it_is_applied():
    stream = Stream(db=("db", "x", "y"), app=("x", "y"))
    stream.fact(opened("db", "app"))
    decisions = stream.until("build", "app").answer()
    assert tags(decisions) == ["stage.failed", "run.failed", "run.retry.scheduled"]
    failed = decisions[0].event
    assert isinstance(failed, e.StageFailed)
    assert (failed.operation, failed.reason, failed.retryable) == ("apply", "ClaimedTwice", False)
    assert failed.message == (
        "ConfigMap/shop/x and 1 more is rendered by stage db and by stage app: an object belongs to one stage; "
        "remove it from one of them"
    )
    assert stream.owned("app") == {}
    assert "apply.intended app" not in stream.tags


def test_what_was_applied_before_a_failure_has_changed_hands():
    stream = ready("db", "app", db=("db", "x"))
    stream.renders |= {"db": ("db",), "app": ("app", "x")}
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("apply", "app")
    decisions = stream.fail(objects=[*items("x", uid="uid-x"), *items("app", action="failed")])
    assert tags(decisions) == ["stage.transferred", "stage.failed", "run.failed", "run.retry.scheduled"]
    assert stream.owned("db") == {"db": "uid-db"}


@pytest.mark.parametrize("ok", [True, False])
def test_what_was_applied_has_changed_hands_also_when_the_run_is_broken_off_then(ok):
    stream = ready("db", "app", db=("db", "x"))
    stream.renders |= {"db": ("db",), "app": ("app", "x")}
    stream.fact(opened("db", "app", revision="v2"))
    stream.until("apply", "app").fact(e.OperatorSuspended())
    decisions = stream.answer() if ok else stream.fail(objects=items("x", uid="uid-x"))
    assert tags(decisions) == ["stage.transferred", "run.superseded"]
    assert stream.owned("db") == {"db": "uid-db"}
    assert stream.owned("app")["x"] == "uid-x"


def test_stages_that_left_the_spec_are_taken_down_last_one_first_after_the_others_are_ready():
    stream = ready("one", "two", "three", "four")
    at = len(stream.tags)
    stream.fact(opened("two", generation=2, trigger="spec"))
    found = since(stream.rest(), at)
    order = [tag for tag in found if tag.startswith(("stage.succeeded", "prune.intended", "stage.removed"))]
    assert order == [
        "stage.succeeded two",
        "prune.intended four",
        "stage.removed four",
        "prune.intended three",
        "stage.removed three",
        "prune.intended one",
        "stage.removed one",
    ]
    assert list(stream.state.stages) == ["two"]
    assert stream.state.phase == Phase.READY


def test_a_stage_with_prune_false_leaves_its_objects_behind():
    stream = Stream()
    stream.fact(opened(given=spec(stage("db", prune=False), "app")))
    stream.rest()
    at = len(stream.tags)
    stream.fact(opened(trigger="deletion", given=spec("app")))
    found = since(stream.rest(), at)
    assert "prune.intended app" in found
    assert "prune.intended db" not in found
    assert "stage.removed db" in found
    assert stream.state.phase == Phase.RELEASED


def test_a_removed_stage_that_cannot_be_pruned_fails_the_run_and_is_kept():
    stream = ready("db", "app")
    stream.fact(opened("db", generation=2, trigger="spec"))
    stream.until("prune", "app").fail(objects=items("app", action="failed"))
    assert stream.state.failure
    assert stream.state.failure.stage == "app"
    assert stream.owned("app") == {"app": "uid-app"}
    stream.now_ms = stream.state.retry_ms
    stream.fact(opened("db", generation=2, trigger="retry"))
    stream.rest()
    assert list(stream.state.stages) == ["db"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("shop_web_apps_Deployment", "Deployment/shop/web"),
        ("_shop__Namespace", "Namespace/shop"),
        ("what", "what"),
    ],
)
def test_ids_in_peoples_words(key, words):
    assert readable(key) == words
