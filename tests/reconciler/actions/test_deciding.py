"""Actions around a stage: their order, their attempts, and that none is performed that is recorded."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.instant import to_text
from reconciler.actions.deciding import DIRTY_AFTER, breakable, litter
from reconciler.transitions import Phase
from tests.reconciler.actions.acting import Acted, http, job, job_item, wait, with_actions
from tests.reconciler.making import START_MS, opened, spec


def both(**fields):
    return with_actions("db", pre=[http("one"), http("two")], post=[http("three")], on_failure=[http("tell")], **fields)


def test_pre_comes_before_the_fetch_and_post_after_the_verification_in_the_order_of_the_lists():
    stream = Acted()
    stream.start(both())
    stream.rest()
    operations = [tag for tag in stream.tags if tag.endswith("intended db")]
    assert operations == [
        f"{name}.intended db" for name in ("connect", "action", "action", "fetch", "build", "apply", "verify", "action")
    ]
    assert stream.performed == ["pre/one#1", "pre/two#1", "post/three#1"]
    assert stream.state.phase == Phase.READY
    assert stream.refold() == stream.state


def test_a_failed_pre_action_leaves_nothing_applied_and_calls_for_no_on_failure_action():
    stream = Acted()
    stream.start(both())
    stream.at("two").fail()
    assert stream.state.phase == Phase.FAILED
    assert stream.performed == ["pre/one#1", "pre/two#1"]
    assert not stream.events(e.ApplyIntended)
    (failed,) = stream.events(e.StageFailed)
    assert (failed.operation, failed.message) == ("pre-action", "two: it broke")


def test_a_failed_post_action_gates_ready_and_calls_for_on_failure():
    stream = Acted()
    stream.start(both())
    stream.at("three").fail()
    assert stream.state.phase == Phase.FAILURE_ACTING
    # The failure is told before anything follows it.
    assert [type(one.event).__name__ for one in stream.entries[-2:]] == ["StageFailed", "ActionIntended"]
    stream.answer()
    assert stream.performed[-1] == "onFailure/tell#1"
    assert stream.state.phase == Phase.FAILED
    assert stream.state.failure.operation == "post-action"


@pytest.mark.parametrize("operation", ["apply", "verify"])
def test_on_failure_follows_a_failure_from_apply_on_once_for_a_snapshot(operation):
    stream = Acted()
    stream.start(both())
    stream.until(operation)
    stream.fail()
    stream.answer()
    assert stream.performed[-1] == "onFailure/tell#1"
    stream.now_ms += 60_000
    stream.start(both(), trigger="retry")
    stream.until(operation)
    stream.fail()
    assert stream.state.phase == Phase.FAILED
    assert stream.performed.count("onFailure/tell#1") == 1


@pytest.mark.parametrize("operation", ["fetch", "build"])
def test_on_failure_does_not_follow_a_failure_before_apply(operation):
    stream = Acted()
    stream.start(both())
    stream.until(operation)
    stream.fail()
    assert stream.state.phase == Phase.FAILED
    assert "onFailure/tell#1" not in stream.performed


def test_a_failed_on_failure_action_hides_nothing_and_the_next_one_follows():
    stream = Acted()
    stream.start(with_actions("db", on_failure=[http("tell"), http("clean")]))
    stream.until("verify")
    stream.fail()
    stream.fail()
    assert stream.performed == ["onFailure/tell#1", "onFailure/clean#1"]
    stream.answer()
    assert stream.state.failure.operation == "verify"
    assert [one.outcome for one in stream.entries if isinstance(one.event, e.ActionFinished)] == ["failed", "ok"]


def test_a_retry_performs_nothing_that_is_recorded():
    stream = Acted()
    stream.start(both())
    stream.until("verify")
    stream.fail()
    stream.rest()
    stream.now_ms += 60_000
    stream.start(both(), trigger="retry")
    stream.rest()
    assert stream.performed == ["pre/one#1", "pre/two#1", "onFailure/tell#1", "post/three#1"]
    whys = [event.why for event in stream.events(e.ActionSkipped)]
    assert all(why.startswith("done on this snapshot, recorded at version ") for why in whys)
    assert len(whys) == 2


def test_a_raised_timeout_performs_nothing_again():
    stream = Acted()
    stream.start(both())
    stream.until("verify")
    stream.fail()
    stream.rest()
    stream.start(both(timeout="1h"), trigger="spec", generation=2)
    stream.rest()
    assert [one for one in stream.performed if one.startswith("pre/")] == ["pre/one#1", "pre/two#1"]


def test_a_new_revision_performs_them_again_and_the_old_one_never():
    stream = Acted()
    for revision in ("v1", "v2", "v1"):
        stream.start(both(), revision=revision)
        stream.rest()
    assert stream.performed == ["pre/one#1", "pre/two#1", "post/three#1"] * 2


def test_a_new_revision_of_one_stage_performs_nothing_of_another():
    stream = Acted()
    one, two = with_actions("db", pre=[http("migrate")]), with_actions("app", pre=[http("tell")])
    stream.start(one, two)
    stream.rest()
    event = opened(given=spec(one, two))
    pins = [event.pins[0], opened("app", revision="v2").pins[0]]
    stream.fact(e.RunOpened(trigger="snapshot", generation=1, spec=event.spec, pins=pins, policy=event.policy))
    stream.rest()
    assert stream.performed == ["pre/migrate#1", "pre/tell#1", "pre/tell#1"]


def test_attempts_pause_and_share_the_timeout():
    stream = Acted()
    stream.start(with_actions("db", pre=[http("one", retries=2, timeout="10s")]))
    stream.at("one")
    deadline = stream.intent.deadline
    assert deadline == to_text(START_MS + 10_000)
    stream.fail()
    assert stream.state.pending is None
    assert stream.state.run.attempt.due_ms == START_MS + 500
    stream.now_ms += 500
    stream.fact(e.TimerFired(timer="action", due=to_text(stream.now_ms)))
    assert (stream.performed[-1], stream.intent.deadline) == ("pre/one#2", deadline)
    stream.fail()
    assert stream.state.run.attempt.due_ms == stream.now_ms + 1_000
    stream.now_ms += 1_000
    stream.fact(e.TimerFired(timer="action", due=to_text(stream.now_ms)))
    stream.fail()
    assert stream.state.phase == Phase.FAILED
    assert stream.performed == ["pre/one#1", "pre/one#2", "pre/one#3"]


def test_a_timer_that_comes_early_starts_nothing():
    stream = Acted()
    stream.start(with_actions("db", pre=[http("one", retries=1)]))
    stream.at("one").fail()
    stream.fact(e.TimerFired(timer="action", due=to_text(stream.now_ms)))
    assert stream.state.pending is None


def test_no_attempt_begins_after_the_timeout():
    stream = Acted()
    stream.start(with_actions("db", pre=[http("one", retries=5, timeout="10s")]))
    stream.at("one")
    stream.now_ms += 10_000
    stream.fail()
    assert stream.state.phase == Phase.FAILED


@pytest.mark.parametrize(("retryable", "outcome"), [(False, "failed"), (True, "refused")])
def test_what_must_fail_again_is_not_attempted_again(retryable, outcome):
    stream = Acted()
    stream.start(with_actions("db", pre=[http("one", retries=5)]))
    stream.at("one")
    event = e.ActionFinished(hook="pre", action="one", reason="No", message="no", retryable=retryable)
    stream.answer(event, outcome=outcome)
    assert stream.state.phase == Phase.FAILED


def test_an_action_in_doubt_holds_the_stage_and_says_how_to_answer():
    stream = Acted()
    stream.start(with_actions("db", pre=[http("one", retries=3)]))
    stream.at("one").doubt("a POST to hook.test may have been sent")
    assert stream.state.phase == Phase.FAILED
    (held,) = stream.events(e.ActionHeld)
    assert "a POST to hook.test may have been sent" in held.message
    assert 'stagesetctl resolve rel -n shop --stage db --action one --as done|not-done --reason "…"' in held.message
    for _ in range(3):
        stream.now_ms += 700_000
        stream.start(with_actions("db", pre=[http("one", retries=3)]), trigger="retry")
        stream.rest()
        assert stream.state.phase == Phase.FAILED
    assert stream.performed == ["pre/one#1"]


@pytest.mark.parametrize(("answer", "again"), [("done", 0), ("not-done", 1)])
def test_an_operators_word_lets_it_go_on(answer, again):
    stream = Acted()
    given = with_actions("db", pre=[http("one")])
    stream.start(given)
    stream.at("one").doubt()
    stream.fact(e.OperatorResolved(action="one", answer=answer, reason="looked", token="t"), stage="db")
    assert stream.state.asked == "request"
    assert stream.state.handled["resolve"] == "t"
    stream.start(given, trigger="request")
    stream.rest()
    assert stream.state.phase == Phase.READY
    assert len(stream.performed) == 1 + again
    assert not stream.state.asked


def test_an_on_failure_action_in_doubt_holds_nothing_and_is_not_repeated():
    stream = Acted()
    given = with_actions("db", on_failure=[http("tell")])
    for _ in range(2):
        stream.start(given, trigger="retry")
        stream.until("verify")
        stream.fail()
        if stream.state.pending is not None:
            stream.doubt("it was sent")
        assert stream.state.phase == Phase.FAILED
    assert stream.performed == ["onFailure/tell#1"]
    assert "it may have run already: it was sent" in stream.events(e.ActionSkipped)[-1].why


def test_a_lifetime_action_runs_once_whatever_the_revision():
    stream = Acted()
    given = with_actions("db", pre=[http("seed", scope="Lifetime")])
    for revision in ("v1", "v2", "v3"):
        stream.start(given, revision=revision)
        stream.rest()
    assert stream.performed == ["pre/seed#1"]
    assert stream.state.completions["db/seed"].origin == "Executed"


def test_it_is_remembered_when_its_stage_went_and_came_back():
    stream = Acted()
    given = with_actions("db", pre=[http("seed", scope="Lifetime"), http("each")])
    for stages in ((given, "app"), ("app",), (given, "app")):
        stream.start(*stages)
        stream.rest()
    assert stream.performed == ["pre/seed#1", "pre/each#1"]


def test_repeated_failures_of_a_lifetime_action_halt_it_before_the_next_attempt_until_it_is_asked_for():
    stream = Acted()
    given = with_actions("db", pre=[http("seed", scope="Lifetime")])
    for _ in range(DIRTY_AFTER):
        stream.start(given, trigger="retry")
        stream.at("seed").fail()
    stream.start(given, trigger="retry")
    stream.rest()
    assert len(stream.performed) == DIRTY_AFTER
    (dirty,) = [event for event in stream.events(e.StageFailed) if event.reason == "ActionDirty"]
    assert "reconcile.fluxcd.io/requestedAt" in dirty.message
    assert stream.events(e.RunFailed)[-1].reason == "ActionDirty"
    stream.start(given, trigger="request", requested_at="now")
    stream.at("seed")
    assert len(stream.performed) == DIRTY_AFTER + 1


def witness(uid="w1", action=""):
    return e.Item(id="shop_flag__ConfigMap", v="v1", uid=uid, action=action)


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        (witness(action="found"), False),
        (witness(uid="w2", action="found"), True),
        (witness(uid="", action="gone"), True),
        (witness(uid="", action="unreadable"), False),
    ],
)
def test_a_completion_holds_while_its_witness_does(seen, again):
    stream = Acted()
    anchor = {"apiVersion": "v1", "kind": "ConfigMap", "name": "flag"}
    given = with_actions("db", pre=[http("seed", scope="Lifetime", completionAnchor=anchor)])
    stream.start(given)
    stream.at("seed").answer(e.ActionFinished(hook="pre", action="seed", anchor=witness()))
    stream.rest()
    before = stream.entries[-1].ver
    stream.start(given, revision="v2")
    assert stream.state.pending.event.anchors == [witness()]
    stream.answer(e.ConnectFinished(anchors=[seen]))
    assert ("pre/seed#1" in stream.performed[1:]) is again
    keys = {one.idem for one in stream.entries if isinstance(one.event, e.ActionIntended)}
    assert len(keys) == 1 + again
    assert bool(stream.events(e.ActionRevoked)) is again
    assert before


def test_a_stage_is_opened_again_once_for_a_token():
    stream = Acted()
    one, two = with_actions("db", pre=[http("migrate")]), with_actions("app", pre=[http("tell")])
    stream.start(one, two)
    stream.rest()
    stream.fact(e.OperatorRequested(request="reconcile-stage", token="db@t1"))
    assert stream.state.asked == "request"
    assert stream.state.handled["reconcile-stage"] == "db@t1"
    for _ in range(2):
        stream.start(one, two, trigger="request")
        stream.rest()
    assert stream.performed == ["pre/migrate#1", "pre/tell#1", "pre/migrate#1"]


def test_a_reset_completion_is_performed_again_under_another_key():
    stream = Acted()
    given = with_actions("db", pre=[http("seed", scope="Lifetime")])
    stream.start(given)
    stream.rest()
    stream.fact(e.OperatorRequested(request="reset-ledger", token="db/seed@t1"))
    stream.start(given, trigger="request")
    stream.rest()
    assert stream.performed == ["pre/seed#1"] * 2
    keys = {one.idem for one in stream.entries if isinstance(one.event, e.ActionIntended)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("action", "objects", "expected"),
    [
        (wait("w"), (), True),
        (http("h"), (), False),
        (job("j"), (), True),
        (job("j"), (job_item("m", "planned", uid=""),), False),
        (job("j"), (job_item("m"),), True),
    ],
)
def test_what_may_be_broken_off(action, objects, expected):
    stream = Acted()
    stream.start(with_actions("db", pre=[action]))
    stream.at(action["name"])
    if objects:
        stream.see(*objects)
    assert breakable(stream.state) is expected
    stream.fact(e.OperatorSuspended())
    assert (stream.state.phase == Phase.IDLE) is expected
    if not expected and not objects:
        stream.answer()
        assert stream.state.phase == Phase.IDLE


def test_a_job_belongs_to_the_stage_until_it_is_pruned_after_its_end():
    stream = Acted()
    given = with_actions("db", pre=[job("migrate")])
    stream.start(given)
    stream.at("migrate").see(job_item("m", "planned", uid=""))
    stream.see(job_item("m"))
    assert "m" in stream.owned("db")
    stream.answer(e.ActionFinished(hook="pre", action="migrate", objects=[job_item("m", "complete")]))
    stream.rest()
    (prune,) = stream.events(e.PruneIntended)
    assert [(item.id, item.uid) for item in prune.objects] == [("shop_m_batch_Job", "uid-job")]
    assert "m" not in stream.owned("db")
    assert stream.state.phase == Phase.READY


def test_a_failed_job_stays_to_be_looked_at():
    stream = Acted()
    stream.start(with_actions("db", pre=[job("migrate")]))
    stream.at("migrate").see(job_item("m"))
    item = job_item("m", "failed")
    stream.fail(objects=[item])
    assert stream.state.phase == Phase.FAILED
    assert "m" in stream.owned("db")
    key = stream.entries[-1].idem or next(iter(stream.state.acts))
    assert stream.state.acts[key].objects["shop_m_batch_Job"] == item


def test_a_job_that_still_runs_is_nobodys_litter():
    stream = Acted()
    given = with_actions("db", pre=[http("one")], post=[job("smoke")])
    stream.start(given)
    stream.at("smoke").see(job_item("s"))
    stream.fact(e.OperatorSuspended())
    stream.fact(e.OperatorResumed())
    stream.start(given, trigger="restored")
    stream.at("smoke")
    assert not stream.events(e.PruneIntended)
    assert litter(stream.state, "db") == []
    assert stream.performed == ["pre/one#1", "post/smoke#1", "post/smoke#1"]


def test_a_teardown_takes_the_jobs_along():
    stream = Acted()
    stream.start(with_actions("db", pre=[job("migrate")]))
    stream.at("migrate").see(job_item("m"))
    stream.fact(opened(given=spec("db"), trigger="deletion"))
    stream.until("prune")
    assert [item.id for item in stream.events(e.PruneIntended)[-1].objects] == ["shop_m_batch_Job"]
