"""The rules of the election, one by one, on a MemoryCluster and a virtual clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from reconciler.adapters.lease import BadTerms, Terms
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.errors import NotFound
from tests.reconciler.adapters.candidates import (
    LEASE,
    NAMESPACE,
    Candidate,
    Line,
    StoppableLoop,
    memory_cluster,
)
from tests.simulation import virtual

NAME = f"Lease {NAMESPACE}/{LEASE.name}"
DEAD = Line(refused=1.0)
MUTE = Line(lost=1.0)
#: The longest pause between two tries of a candidate.
PAUSE_S = 2.0 * 2.2 + 0.1


def played(main: Callable[[MemoryCluster], Coroutine[Any, Any, None]]) -> None:
    """Play a test in virtual time."""
    loop = StoppableLoop()
    asyncio.set_event_loop(loop)

    async def play() -> None:
        await main(await memory_cluster())

    try:
        loop.run_until_complete(play())
        assert loop.bugs == []
    finally:
        virtual._clear(loop)
        asyncio.set_event_loop(None)
        loop.close()


def now_s() -> float:
    return asyncio.get_running_loop().time()


def stoppable() -> StoppableLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StoppableLoop)
    return loop


async def leading(cluster: MemoryCluster, name: str = "one") -> Candidate:
    """A candidate that holds the Lease and renews it."""
    candidate = Candidate(cluster, name)
    await candidate.election.acquire()
    candidate.hold()
    return candidate


async def until_asked(candidate: Candidate, verb: str) -> None:
    while [found for _, found in candidate.api.sent][-1:] != [verb]:  # noqa: ASYNC110 - virtual time costs nothing
        await asyncio.sleep(0.001)


async def spec(cluster: MemoryCluster) -> dict[str, Any]:
    found: dict[str, Any] = (await cluster.get(LEASE))["spec"]
    return found


def test_the_first_one_makes_the_lease():
    async def main(cluster):
        one = Candidate(cluster, "one")
        assert not one.election.valid()
        await one.election.acquire()
        assert one.election.valid()
        assert one.election.taken_from == ""
        found = await spec(cluster)
        assert found.pop("acquireTime") == found.pop("renewTime")
        assert found == {"holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 0}
        assert [verb for _, verb in one.api.sent] == ["get", "create"]
        await one.election.resign()

    played(main)


def test_a_holder_renews_once_a_retry_period_and_asks_nothing_else():
    async def main(cluster):
        one = await leading(cluster)
        before, one.api.sent[:] = await spec(cluster), []
        await asyncio.sleep(60.5)
        after = await spec(cluster)
        assert {verb for _, verb in one.api.sent} == {"replace"}
        assert 28 <= len(one.api.sent) <= 30
        assert after["renewTime"] > before["renewTime"]
        assert (after["acquireTime"], after["leaseTransitions"]) == (before["acquireTime"], 0)
        assert one.election.valid()
        await one.election.resign()

    played(main)


def test_a_standby_takes_what_ran_out_and_not_before():
    async def main(cluster):
        one, two = await leading(cluster), Candidate(cluster, "two")
        waiting = asyncio.ensure_future(two.election.acquire())
        await asyncio.sleep(30)
        assert not waiting.done()
        times = [at for at, _ in two.api.sent]
        assert all(later - earlier >= 2.0 for earlier, later in pairwise(times))
        stoppable().stop_process("one")
        one.api.line, last_s = MUTE, one.api.sent[-1][0]
        await waiting
        assert last_s + 15 <= now_s() <= last_s + 2 + 15 + 2 * PAUSE_S
        assert not one.election.valid()
        assert two.election.taken_from == "one"
        assert (await spec(cluster))["leaseTransitions"] == 1
        for candidate in (one, two):
            await candidate.election.resign()

    played(main)


def test_a_standby_trusts_its_own_clock_and_not_the_written_one(caplog):
    caplog.set_level(logging.INFO)

    async def main(cluster):
        long_ago = "1970-01-01T00:00:00.000000Z"
        written = {"holderIdentity": "dead", "leaseDurationSeconds": 6, "leaseTransitions": 4}
        lease = {
            "apiVersion": LEASE.api_version,
            "kind": "Lease",
            "metadata": {"name": LEASE.name, "namespace": NAMESPACE},
        }
        await cluster.create({**lease, "spec": {**written, "renewTime": long_ago, "acquireTime": long_ago}})
        one = Candidate(cluster, "one")
        await one.election.acquire()
        assert 6 <= now_s() <= 6 + PAUSE_S
        assert (await spec(cluster))["leaseTransitions"] == 5
        await one.election.resign()

    played(main)
    assert caplog.messages[:2] == [
        f"standby: waits for the {NAME}, held by dead",
        f"leader: the {NAME} is ours as one, taken from dead, which let it run out",
    ]


def test_it_is_given_back_and_the_next_one_need_not_wait():
    async def main(cluster):
        one, two = await leading(cluster), Candidate(cluster, "two")
        waiting = asyncio.ensure_future(two.election.acquire())
        await asyncio.sleep(7)
        await one.election.resign()
        assert not one.election.valid()
        found = await spec(cluster)
        assert (found["holderIdentity"], found["leaseDurationSeconds"]) == ("", 1)
        begun_s = now_s()
        await waiting
        assert now_s() - begun_s <= PAUSE_S
        assert two.election.taken_from == ""
        assert not one.lost.done()
        await two.election.resign()

    played(main)


def test_a_standby_that_gives_up_writes_nothing():
    async def main(cluster):
        one, two = await leading(cluster), Candidate(cluster, "two")
        waiting = asyncio.ensure_future(two.election.acquire())
        await asyncio.sleep(7)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        begun_s = now_s()
        await two.election.resign()
        assert now_s() == begun_s
        assert {verb for _, verb in two.api.sent} == {"get"}
        await one.election.resign()

    played(main)


def test_one_that_gives_up_while_it_asks_gives_back_what_it_may_have_got():
    async def main(cluster):
        one = Candidate(cluster, "one")
        one.api.line = Line(answer_lost=0.0)
        waiting = asyncio.ensure_future(one.election.acquire())
        await until_asked(one, "create")
        one.api.line = Line()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert (await spec(cluster))["holderIdentity"] == "one"
        await one.election.resign()
        assert (await spec(cluster))["holderIdentity"] == ""

    played(main)


def test_an_api_that_is_lost_ends_the_term_before_anybody_else_can_have_it(caplog):
    async def main(cluster):
        one, two = await leading(cluster), Candidate(cluster, "two")
        waiting = asyncio.ensure_future(two.election.acquire())
        await asyncio.sleep(5)
        one.api.line, last_s = DEAD, one.api.sent[-1][0]
        why = await one.lost
        assert why == f"the {NAME} was not renewed for 10.0 s: dial tcp 127.0.0.1:6443: connect: connection refused"
        assert last_s + 10 <= now_s() <= last_s + 10.1
        assert not one.election.valid()
        assert not waiting.done()
        begun_s = now_s()
        await one.election.resign()
        assert now_s() - begun_s <= 3.0
        await waiting
        await two.election.resign()

    played(main)
    refused = "dial tcp 127.0.0.1:6443: connect: connection refused"
    assert caplog.messages == [
        f"the {NAME} cannot be renewed: {refused}; it is tried again",
        f"the {NAME} was not given back: {refused}; it will run out",
    ]


def test_an_api_that_does_not_answer_ends_the_term_in_time():
    async def main(cluster):
        one = await leading(cluster)
        await asyncio.sleep(5)
        one.api.line, last_s = MUTE, one.api.sent[-1][0]
        why = await one.lost
        assert why.startswith(f"the {NAME} was not renewed for 10.0 s: the API server did not answer within ")
        assert last_s + 10 <= now_s() <= last_s + 10.1
        begun_s = now_s()
        await one.election.resign()
        assert now_s() - begun_s <= 3.0

    played(main)


def test_an_outage_that_is_shorter_than_the_deadline_is_survived():
    async def main(cluster):
        one = await leading(cluster)
        for line in (DEAD, MUTE, Line(answer_lost=1.0)):
            one.api.line = line
            await asyncio.sleep(6)
            one.api.line = Line()
            await asyncio.sleep(8)
        assert one.election.valid()
        assert not one.lost.done()
        await one.election.resign()
        assert (await spec(cluster))["holderIdentity"] == ""

    played(main)


def test_another_holder_ends_the_term_at_once():
    async def main(cluster):
        one = await leading(cluster)
        found = await cluster.get(LEASE)
        found["spec"]["holderIdentity"] = "two"
        await cluster.replace(found)
        begun_s = now_s()
        why = await one.lost
        assert why == f"the {NAME} is held by two, not by one"
        # One renewal is refused, the next round looks.
        assert now_s() - begun_s <= 4.1
        await one.election.resign()
        assert (await spec(cluster))["holderIdentity"] == "two"

    played(main)


def test_a_lease_that_was_deleted_is_made_again_by_its_holder_while_others_wait():
    async def main(cluster):
        one, two = await leading(cluster), Candidate(cluster, "two")
        waiting = asyncio.ensure_future(two.election.acquire())
        await asyncio.sleep(7)
        for _ in range(5):
            await cluster.delete(LEASE)
            await asyncio.sleep(9)
        assert one.election.valid()
        assert not waiting.done()
        assert (await spec(cluster))["holderIdentity"] == "one"
        waiting.cancel()
        for candidate in (one, two):
            await candidate.election.resign()

    played(main)


def test_a_process_that_stood_still_asks_nothing_before_it_knows():
    async def main(cluster):
        one = Candidate(cluster, "one")

        async def work() -> None:
            await one.election.acquire()
            one.hold()
            await one.lost

        task = one.as_process(work)
        await asyncio.sleep(5)
        stoppable().stop_process("one")
        await asyncio.sleep(60)
        assert not one.election.valid()
        two = await leading(cluster, "two")
        sent = len(one.api.sent)
        stoppable().continue_process("one")
        await task
        assert len(one.api.sent) == sent
        age_s = float(one.lost.result().split(" for ")[1].split(" s")[0])
        assert one.lost.result() == f"the {NAME} was not renewed for {age_s:.1f} s: the process stood still"
        assert age_s > 55
        await one.election.resign()
        assert (await spec(cluster))["holderIdentity"] == "two"
        await two.election.resign()

    played(main)


def test_an_answer_that_comes_too_late_is_none():
    async def main(cluster):
        one = Candidate(cluster, "one")
        task = one.as_process(one.election.acquire)
        await until_asked(one, "create")
        stoppable().stop_process("one")
        two = await leading(cluster, "two")
        stoppable().continue_process("one")
        await asyncio.sleep(1)
        assert not one.election.valid()
        assert not task.done()
        await two.election.resign()
        await task
        assert one.election.valid()
        await one.election.resign()

    played(main)


def test_what_is_forbidden_is_told_once_and_tried_on(caplog):
    async def main(cluster):
        one = Candidate(cluster, "one")
        one.api._cluster = cluster.as_user("system:serviceaccount:stageset-system:poor")
        waiting = asyncio.ensure_future(one.election.acquire())
        await asyncio.sleep(60)
        one.api._cluster = cluster
        await waiting
        await one.election.resign()

    played(main)
    (message,) = caplog.messages
    assert message.startswith(f"the {NAME} cannot be acquired: ")
    assert 'cannot get resource "leases" in API group "coordination.k8s.io"' in message
    assert message.endswith(
        ": the controller's Role must allow get, create and update of leases.coordination.k8s.io; it is tried again"
    )


def test_a_namespace_that_is_not_there_is_told(caplog):
    async def main(cluster):
        await cluster.delete(LEASE._replace(api_version="v1", kind="Namespace", namespace="", name=NAMESPACE))
        await cluster.tick()
        with pytest.raises(NotFound):
            await cluster.get(LEASE)
        one = Candidate(cluster, "one")
        waiting = asyncio.ensure_future(one.election.acquire())
        await asyncio.sleep(10)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    played(main)
    assert caplog.messages
    assert f'namespaces "{NAMESPACE}" not found' in caplog.messages[0]


@pytest.mark.parametrize(
    ("terms", "flag"),
    [
        (Terms(duration_s=0.5, deadline_s=0.3, retry_s=0.1), "--leader-election-lease-duration must be 1s or more"),
        (Terms(duration_s=10, deadline_s=10), "must be longer than --leader-election-renew-deadline"),
        (Terms(deadline_s=2.4), "must be longer than 1.2 times --leader-election-retry-period"),
        (Terms(retry_s=0), "longer than 0s"),
    ],
)
def test_durations_that_contradict_each_other_are_refused(terms, flag):
    with pytest.raises(BadTerms, match=flag):
        terms.checked()


def test_the_usual_durations_fit():
    assert Terms().checked() == (15.0, 10.0, 2.0)
