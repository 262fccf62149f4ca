"""Asked for beside the spec: requests before completions, nothing before it is known, one word for each mistake."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from ledger import events as e
from ledger.envelope import Draft
from reconciler.adapters.asking import Asking
from reconciler.api import names
from reconciler.errors import Forbidden
from reconciler.ports.hands import Target
from reconciler.state import State

STATE = State(stream="stageset/shop/rel/0a1b2c3d")
SHOWN = Draft(event=e.ActionAdopted(action="seed", scope="Lifetime", source="StageLedger"), stage="db")
AGAIN = {names.RECONCILE_STAGE: "db@1"}
WRONG = {names.RECONCILE_STAGE: "db"}


class Cluster:
    def __init__(self):
        self.created = []

    async def create(self, obj):
        self.created.append(obj)
        raise Forbidden("no")


def asked(*requests, shown=None, state=STATE):
    """What is called for by each of these annotations in turn, and the Events that were sent."""
    cluster, found = Cluster(), []

    async def inside():
        ledgers = SimpleNamespace(fact=lambda member, state: shown)
        asking = Asking(ledgers, cluster=cluster, now_ms=lambda: 0)
        member = SimpleNamespace(target=Target("shop", "rel", "0a1b2c3d"), observed=None)
        member = Hashable(member)
        for one in requests:
            member.observed = SimpleNamespace(requests=one)
            found.append(asking(member, state))
        await asking.close()
        asking.forget(member)
        assert not asking._told

    asyncio.run(inside())
    return found, cluster.created


class Hashable:
    def __init__(self, plain):
        self.target, self.observed = plain.target, plain.observed


def test_a_request_comes_before_what_a_stageledger_shows():
    (first, then), _ = asked(AGAIN, {}, shown=SHOWN)
    assert isinstance(first.event, e.OperatorRequested)
    assert (first.stage, first.actor.kind) == ("db", "operator")
    assert then is SHOWN


def test_what_was_taken_up_is_not_asked_again():
    state = State(stream=STATE.stream, handled={"reconcile-stage": "db@1"})
    assert asked(AGAIN, state=state)[0] == [None]


def test_while_completions_are_not_known_nothing_is_known():
    assert asked({}, shown=False)[0] == [False]


def test_a_request_that_is_not_understood_is_told_once_and_again_when_it_reads_differently():
    found, events = asked(WRONG, WRONG, {}, WRONG, {names.RECONCILE_STAGE: "@"})
    assert found == [None] * 5
    assert [event["reason"] for event in events] == ["RequestInvalid"] * 2
    assert "must be <stage>@<token>, such as database@1" in events[0]["note"]
