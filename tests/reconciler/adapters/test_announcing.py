"""Kubernetes Events are sent beside the work: one for each record, none twice, and a refusal stops nobody."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from ledger import events as e
from ledger.chain import Head
from ledger.envelope import Draft
from reconciler.adapters.announcing import CONCURRENT_MAX, WAITING_MAX, Announcer
from reconciler.errors import AlreadyExists, Forbidden
from reconciler.ports.hands import Target

HELD = Draft(event=e.ActionHeld(hook="pre", action="a", message="a: it is not known"), stage="db")


class Cluster:
    def __init__(self, *refusals):
        self.created, self.refusals = [], list(refusals)

    async def create(self, obj, *, dry_run=False):
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        self.created.append(obj)
        return obj


def told(cluster, *drafts, times=1):
    async def inside():
        announcer = Announcer(cluster, clock=SimpleNamespace(now_ms=lambda: 0))
        member = SimpleNamespace(head=Head(9, "sha256:x"), target=Target("shop", "rel", "0a1b2c3d"))
        for _ in range(times):
            announcer.recorded(member, drafts)
        await announcer.close()

    asyncio.run(inside())
    return cluster.created


def test_a_record_is_told_of_its_stageset():
    (event,) = told(Cluster(), Draft(event=e.StageStarted(), stage="db"), HELD)
    assert (event["reason"], event["type"], event["regarding"]["name"]) == ("ActionHeld", "Warning", "rel")
    assert "(runbook: " in event["note"]


def test_the_same_record_has_the_same_name_and_another_one_has_not():
    first, again = told(Cluster(), HELD, HELD), told(Cluster(), HELD, HELD)
    assert [one["metadata"]["name"] for one in first] == [one["metadata"]["name"] for one in again]
    assert len({one["metadata"]["name"] for one in first}) == 2


def test_a_refusal_stops_nobody():
    refused = Cluster(Forbidden("no"), AlreadyExists("there"))
    assert len(told(refused, HELD, HELD, HELD)) == 1


def test_a_storm_is_bounded():
    assert len(told(Cluster(), HELD, times=WAITING_MAX + 50)) == WAITING_MAX


def test_a_storm_in_one_namespace_does_not_drown_another():
    async def inside():
        cluster = Cluster()
        announcer = Announcer(cluster, clock=SimpleNamespace(now_ms=lambda: 0))
        for namespace, times in (("crowd", WAITING_MAX + 50), ("alone", 1)):
            member = SimpleNamespace(head=Head(9, "sha256:x"), target=Target(namespace, "rel", "0a1b2c3d"))
            for _ in range(times):
                announcer.recorded(member, (HELD,))
        await announcer.close()
        return [one["metadata"]["namespace"] for one in cluster.created]

    sent = asyncio.run(inside())
    assert (sent.count("crowd"), sent.count("alone")) == (WAITING_MAX, 1)
    assert sent.index("alone") <= 2 * CONCURRENT_MAX
