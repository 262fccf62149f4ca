"""A driver's turns: durable before performed, one append for each fact, and nothing left when it rests or is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ledger import events as e
from ledger.envelope import Actor
from ledger.errors import HeaderTooLarge, StaleEpoch, Unavailable, WrongVersion
from ledger.log import Selection
from ledger.upcast import decode_event
from reconciler.effects import Entry
from reconciler.loop import driver as module
from reconciler.loop.memory import Memory
from reconciler.ports.hands import Answer
from reconciler.transitions import Phase
from tests.reconciler.loop.scripted import Bench, settled
from tests.reconciler.making import START_MS, STREAM, Stream, opened, spec, stage, tags


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a test with a bench, and see that closing it leaves no task behind."""

    async def inside() -> None:
        loop = asyncio.get_running_loop()
        bugs: list[object] = []
        loop.set_exception_handler(lambda _, context: bugs.append(context))
        bench = Bench()
        bench.bugs = bugs  # type: ignore[attr-defined]
        await test(bench)
        await bench.driver.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_a_run_goes_through_and_a_driver_at_rest_has_no_task():
    async def test(bench):
        await bench.fact(opened("db", "app"))
        assert bench.state.phase == Phase.READY
        assert not bench.driver.busy
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert bench.hands.performed == [
            f"{operation} {stage}" for stage in ("db", "app")
            for operation in ("connect", "fetch", "build", "apply", "verify")
        ]  # fmt: skip

    run(test)


def test_an_effect_never_starts_before_its_intent_is_durable():
    async def test(bench):
        bench.journal.held = asyncio.Event()
        await bench.fact(opened("db"))
        assert bench.hands.performed == []
        assert bench.state.version == 0
        bench.journal.held.set()
        await settled()
        for operation in ("connect", "fetch", "build", "apply", "verify"):
            story = bench.journal.story
            assert story.index(f"{operation}.intended db") < story.index(f"performing {operation} db")
        assert bench.state.phase == Phase.READY

    run(test)


def test_a_fact_is_recorded_in_one_append_with_what_it_caused():
    async def test(bench):
        await bench.fact(opened("db"))
        assert [e.tag_of(draft.event) for draft in bench.journal.batches[0].drafts] == [
            "run.opened",
            "stage.started",
            "connect.intended",
        ]
        assert [batch.expected for batch in bench.journal.batches] == sorted(
            {batch.expected for batch in bench.journal.batches}
        )
        assert all(e.is_fact(batch.drafts[0].event) for batch in bench.journal.batches)
        assert bench.watching.told == [
            tags(tuple(batch.drafts)) and tuple(tags(tuple(batch.drafts))) for batch in bench.journal.batches
        ]
        opening = bench.journal.batches[0].drafts[0]
        assert opening.run == "shop/rel/0a1b2c3d-1"
        answer = bench.journal.batches[1].drafts[0]
        assert (answer.actor, answer.intent, answer.outcome) == (Actor(kind="world", id="connect"), 3, "ok")
        assert answer.res.startswith("sha256:")

    run(test)


def test_what_is_recorded_folds_to_the_drivers_state():
    async def test(bench):
        await bench.fact(opened("db", "app"))
        memory = Memory()
        memory.load(bench.journal.log, checkpoints=None)
        state, head = memory.take(STREAM)
        assert state == bench.state
        assert head.number == bench.state.version

    run(test)


def test_an_append_that_fails_performs_nothing_and_is_tried_again(caplog):
    async def test(bench):
        bench.journal.fail = [Unavailable("the disk is full"), Unavailable("the disk is full")]
        bench.watching.facts = [opened("db"), opened("db"), opened("db")]
        bench.driver.kick()
        await settled()
        assert (bench.state.version, bench.hands.performed) == (0, [])
        assert bench.driver._timer is not None
        assert 0 < bench.driver._timer.when() - asyncio.get_running_loop().time() <= module.LEDGER_PAUSE_S
        bench.driver.kick()
        await settled()
        assert bench.hands.performed == []
        bench.driver.kick()
        await settled()
        assert bench.state.phase == Phase.READY

    run(test)
    assert "the disk is full" in caplog.text


def test_an_answer_whose_append_fails_is_kept_and_recorded_later():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        version = bench.state.version
        bench.journal.fail = [Unavailable("no")]
        bench.hands.held["apply"].set()
        await settled()
        assert bench.state.version == version
        performed = list(bench.hands.performed)
        bench.driver.kick()
        await settled()
        # It is not performed a second time.
        assert bench.hands.performed == [*performed, "verify db"]
        assert bench.state.phase == Phase.READY

    run(test)


@pytest.mark.parametrize(
    "refusal", [StaleEpoch(given=1, current=2), WrongVersion(STREAM, expected=3, actual=4)], ids=["epoch", "version"]
)
def test_who_may_not_append_performs_nothing_more(refusal):
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        await bench.fact(opened("db"))
        bench.journal.fail = [refusal]
        await bench.fact(e.OperatorSuspended())
        assert bench.dispossessed == [refusal]
        # What was under way is let go of at once, and nothing follows.
        assert bench.hands.cancelled == ["verify db"]
        assert not bench.driver.busy
        version, performed = bench.state.version, list(bench.hands.performed)
        bench.driver.kick()
        await bench.fact(opened("db", revision="v2"))
        assert (bench.state.version, bench.hands.performed) == (version, performed)
        assert bench.driver._timer is None

    run(test)


def test_an_answer_that_the_ledger_has_no_place_for_fails_its_stage_and_stops_nobody_else():
    async def test(bench):
        bench.hands.held["build"] = asyncio.Event()
        await bench.fact(opened("db"))
        bench.journal.fail = [HeaderTooLarge("build.finished", size_bytes=99_999, limit_bytes=16_384)]
        bench.hands.held["build"].set()
        await settled()
        assert bench.dispossessed == []
        assert bench.state.phase == Phase.FAILED
        failure = bench.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("build", module.UNRECORDABLE, False)
        assert "99999" in failure.message
        assert bench.bugs == []

    run(test)


def test_a_turn_that_fails_by_a_bug_is_told_and_tried_again_later():
    async def test(bench):
        bench.watching.facts = [e.RunSucceeded()]
        bench.driver.kick()
        await settled()
        assert [type(bug["exception"]).__name__ for bug in bench.bugs] == ["AssertionError"]
        assert "shop/rel" in bench.bugs[0]["message"]
        assert not bench.driver.busy
        assert bench.driver._timer is not None
        assert bench.state.version == 0
        await bench.fact(opened("db"))
        assert bench.state.phase == Phase.READY

    run(test)


def test_hands_that_raise_are_a_failed_operation_that_asks_to_be_reported(caplog):
    async def test(bench):
        bench.hands.answers["build"] = ValueError("secret detail")
        await bench.fact(opened("db"))
        failure = bench.state.failure
        assert (failure.operation, failure.reason, failure.retryable) == ("build", "InternalError", True)
        assert failure.message == "the controller failed (ValueError); its log has the details: please report it"

    run(test)
    assert "build of shop/rel failed by a bug" in caplog.text


def test_an_answer_to_a_superseded_intent_is_dropped():
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        await bench.fact(opened("db"))
        await bench.fact(opened("db", revision="v2"))
        assert bench.hands.cancelled == ["verify db"]
        old = [batch for batch in bench.journal.batches if e.tag_of(batch.drafts[0].event) == "verify.finished"]
        assert old == []
        bench.hands.held["verify"].set()
        await settled()
        assert bench.state.phase == Phase.READY
        assert bench.state.stages["db"].revision == "v2"

    run(test)


def test_an_answer_that_comes_with_the_supersession_is_dropped_too():
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        await bench.fact(opened("db"))
        bench.journal.held = asyncio.Event()
        bench.watching.facts.append(opened("db", revision="v2"))
        bench.driver.kick()
        await settled()
        # The append of the newer run is under way when the answer comes.
        bench.hands.held["verify"].set()
        await settled()
        bench.journal.held.set()
        await settled()
        assert bench.state.phase == Phase.READY
        answered = [draft.intent for batch in bench.journal.batches for draft in batch.drafts if draft.intent]
        assert len(answered) == len(set(answered))
        assert "run.superseded db" in bench.journal.story

    run(test)


def test_what_changes_the_cluster_is_not_cancelled_by_a_newer_run():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        await bench.fact(opened("db", revision="v2"))
        assert bench.hands.cancelled == []
        assert bench.hands.performed[-1] == "apply db"
        bench.hands.held["apply"].set()
        await settled()
        assert bench.state.stages["db"].revision == "v2"

    run(test)


def test_kicks_coalesce():
    async def test(bench):
        for _ in range(100):
            bench.driver.kick()
        await settled()
        assert bench.watching.asked == 1
        assert bench.journal.batches == []

    run(test)


def test_a_kick_during_an_append_is_not_lost():
    async def test(bench):
        bench.journal.held = asyncio.Event()
        bench.watching.facts.append(e.OperatorSuspended())
        bench.driver.kick()
        await settled()
        bench.watching.facts.append(e.OperatorResumed())
        bench.driver.kick()
        bench.journal.held.set()
        await settled()
        assert [e.tag_of(batch.drafts[0].event) for batch in bench.journal.batches] == [
            "operator.suspended",
            "operator.resumed",
        ]

    run(test)


def test_a_timer_wakes_it_and_the_next_one_replaces_it():
    async def test(bench):
        bench.watching.wake = START_MS + 60_000
        bench.driver.kick()
        await settled()
        first = bench.driver._timer
        assert first is not None
        bench.watching.wake = START_MS + 20
        bench.driver.kick()
        await settled()
        assert first.cancelled()
        asked, bench.watching.wake = bench.watching.asked, 0
        bench.driver._timer._run()  # what the event loop does when it is time
        await settled()
        assert bench.watching.asked == asked + 1
        assert bench.driver._timer is None

    run(test)


def test_what_is_due_and_calls_for_nothing_waits_for_the_world_and_does_not_spin():
    async def test(bench):
        bench.watching.wake = START_MS - 5
        bench.driver.kick()
        await asyncio.sleep(0.02)
        assert bench.watching.asked == 1
        assert bench.driver._timer is None
        bench.driver.kick()
        await settled()
        assert bench.watching.asked == 2

    run(test)


def test_closing_lets_go_of_effects_and_of_the_timer():
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        bench.watching.wake = START_MS + 60_000
        await bench.fact(opened("db"))
        timer = bench.driver._timer
        await bench.driver.close()
        assert bench.hands.cancelled == ["verify db"]
        assert timer.cancelled()
        bench.driver.kick()
        assert not bench.driver.busy
        assert bench.state.pending.operation == "verify"

    run(test)


def test_closing_waits_for_an_append_and_the_state_knows_of_it():
    async def test(bench):
        bench.journal.held = asyncio.Event()
        await bench.fact(opened("db"))
        closing = asyncio.ensure_future(bench.driver.close())
        await settled()
        bench.journal.held.set()
        await closing
        assert bench.state.version == bench.journal.log.version(STREAM) > 0
        assert bench.hands.performed == []

    run(test)


def test_a_driver_made_from_a_fold_goes_on_where_it_was():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        await bench.driver.close()
        memory = Memory()
        memory.load(bench.journal.log, checkpoints=None)
        bench.hands.held.clear()
        bench.hands.performed.clear()
        bench.driver = module.Driver(
            memory.take(STREAM)[0], target=bench.driver.target, parts=bench.parts, watcher=bench.watching
        )
        bench.driver.kick()
        await settled()
        assert bench.hands.performed == ["apply db", "verify db"]
        assert bench.state.phase == Phase.READY

    run(test)


def test_the_hands_may_forget_when_a_run_is_over_and_not_before():
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        await bench.fact(opened("db"))
        assert bench.hands.forgotten == []
        bench.hands.held["verify"].set()
        await settled()
        assert bench.hands.forgotten

    run(test)


def test_a_clock_that_goes_back_does_not_take_the_record_with_it():
    async def test(bench):
        await bench.fact(opened("db"))
        bench.clock.ms -= 10_000
        await bench.fact(e.OperatorSuspended())
        times = [decode_event_at(stored) for stored in bench.journal.log.read(Selection(stream=STREAM))]
        assert times == sorted(times)

    run(test)


def decode_event_at(stored) -> str:
    from ledger.envelope import decode_header

    header = decode_header(stored.header)
    assert decode_event(header, stored.body) is not None
    return header.at


def test_an_indeterminate_answer_is_recorded_as_such():
    async def test(bench):
        bench.hands.answers["connect"] = Answer(e.ConnectFinished(reason="Lost", message="who knows"), "indeterminate")
        await bench.fact(opened("db"))
        assert bench.journal.batches[1].drafts[0].outcome == "indeterminate"
        assert bench.state.failure.reason == "Lost"

    run(test)


def test_a_stream_that_was_stepped_by_hand_is_gone_on_with():
    async def test(bench):
        stream = Stream()
        stream.fact(opened("db"))
        assert isinstance(stream.entries[0], Entry)
        other = Bench(stream.state)
        other.driver.kick()
        await settled()
        # The journal is empty: the append is refused, and the world was asked only for what was intended.
        assert [type(one).__name__ for one in other.dispossessed] == ["WrongVersion"]
        assert other.hands.performed == ["connect db"]
        await other.driver.close()

    run(test)


# ── what may have been performed before ──────────────────────────────────────────────────────────────────────────


def orders(bench) -> list[tuple[str, bool]]:
    return [(f"{order.effect.operation} {order.effect.stage}", order.effect.first) for order in bench.hands.orders]


def test_only_who_recorded_an_intent_performs_it_as_the_first_one():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        assert orders(bench)[-1] == ("apply db", True)
        state = bench.state
        await bench.driver.close()
        # Another driver finds the intent: it may have been performed.
        heir = Bench(state)
        heir.driver.kick()
        await settled()
        assert orders(heir)[0] == ("apply db", False)

    run(test)


def test_a_report_is_durable_when_it_returns_and_answers_nothing():
    async def test(bench):
        bench.hands.held["action"] = asyncio.Event()
        given = spec(stage("db", actions={"pre": [{"name": "one", "http": {"url": "http://h.test"}}]}))
        bench.journal.fail = []
        await bench.fact(opened(given=given))
        order = bench.hands.orders[-1]
        assert (order.effect.operation, len(order.effect.key)) == ("action", 64)
        item = e.Item(id="shop_m_batch_Job", v="v1", uid="u", action="created")
        bench.journal.fail = [Unavailable("the disk is full")]
        task = asyncio.ensure_future(order.report(e.ActionObserved(action="one", objects=[item])))
        await settled()
        assert not task.done()
        bench.driver.kick()
        await settled()
        assert task.done()
        assert bench.state.acts[order.effect.key].objects == {item.id: item}
        assert bench.state.pending is not None
        bench.hands.held["action"].set()
        await settled()
        assert bench.state.phase == Phase.READY
        assert orders(bench).count(("action db", True)) == 1

    run(test)


def test_nothing_is_heard_of_an_effect_that_is_not_wanted_any_more():
    async def test(bench):
        bench.hands.held["verify"] = asyncio.Event()
        await bench.fact(opened("db"))
        order = bench.hands.orders[-1]
        await bench.fact(e.OperatorSuspended())
        version = bench.state.version
        task = asyncio.ensure_future(order.report(e.VerifyObserved()))
        await settled()
        assert not task.done()
        assert bench.state.version == version
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(test)


# ── the way out ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_halt_no_effect_starts_and_what_is_under_way_is_recorded():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        bench.driver.halt()
        bench.hands.held["apply"].set()
        await settled()
        assert bench.state.phase == Phase.VERIFYING
        assert bench.hands.performed[-1] == "apply db"

    run(test)


def test_what_must_not_be_broken_off_gets_time_to_end():
    async def test(bench):
        bench.hands.held["apply"] = asyncio.Event()
        await bench.fact(opened("db"))
        closing = asyncio.ensure_future(bench.driver.close(grace_s=30))
        await settled()
        assert not closing.done()
        bench.hands.held["apply"].set()
        await closing
        assert bench.state.phase == Phase.VERIFYING
        assert bench.hands.cancelled == []

    run(test)


@pytest.mark.parametrize(("operation", "grace_s"), [("verify", 30), ("apply", 0), ("apply", 0.001)])
def test_what_only_waits_is_let_go_of_at_once_and_nothing_outlasts_its_grace(operation, grace_s):
    async def test(bench):
        bench.hands.held[operation] = asyncio.Event()
        await bench.fact(opened("db"))
        await bench.driver.close(grace_s=grace_s)
        assert bench.hands.cancelled == [f"{operation} db"]

    run(test)


def test_an_effect_waits_until_it_is_known_that_the_ledger_has_it_all():
    async def test(bench):
        bench.watching.cleared = False
        await bench.fact(opened("db"))
        assert bench.hands.performed == []
        bench.watching.cleared = True
        bench.driver.kick()
        await settled()
        assert bench.state.phase == Phase.READY

    run(test)


def test_who_may_not_act_performs_nothing():
    async def test(bench):
        may = [False]
        bench.driver._parts = bench.parts._replace(may_act=lambda: may[0])
        await bench.fact(opened("db"))
        assert bench.hands.performed == []
        may[0] = True
        bench.driver.kick()
        await settled()
        assert bench.state.phase == Phase.READY

    run(test)
