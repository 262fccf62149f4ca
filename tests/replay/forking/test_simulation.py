"""The simulated cluster of a fork: what it knows of the recording, and what it says that it does not know."""

from __future__ import annotations

import asyncio
import base64

import pytest

from ledger.events import ApplyFinished
from reconciler.ports.cluster import Ref
from reconciler.ports.hands import Answer
from reconciler.ports.requests import Call
from replay.forking import simulation
from replay.forking.exchanges import Exchanges, told
from replay.forking.questions import pending_of
from replay.forking.simulation import SimulatedCalling, Simulation
from replay.performing.loop import InstantClock, run
from replay.performing.recorded import RecordedFetching, Recording
from replay.performing.tools import Blobs
from replay.performing.turns import order_of
from tests.replay.forking.forks import asking, recorded, story, workshop

WEB = Ref("apps/v1", "Deployment", "shop", "web")


def simulated(name: str, operation: str) -> tuple[Answer, dict[str, str], set[str]]:
    """The answer to a question of a story, the object's own fields afterwards, and what was not known."""
    log, _ = story(name)
    state = asking(name, operation)
    blobs = Blobs({one: log.blobs.get(one) for one in log.blobs.digests()})
    every = told(Exchanges(recorded(name)).all, blobs.found, last=None)

    async def main() -> tuple[Answer, dict[str, str], set[str]]:
        fetcher = RecordedFetching(Recording(every))
        found = Simulation(InstantClock(pending_of(state).since_ms), blobs=blobs, workshop=shop, fetcher=fetcher)
        try:
            answer = await found.answer(order_of(state, first=True), every)
            return answer, (await found.cluster.get(WEB))["metadata"], found.unknown
        finally:
            await found.close()

    with workshop() as shop:
        return run(main)


def test_a_workload_becomes_ready_under_the_uid_that_is_on_record() -> None:
    answer, meta, unknown = simulated("ready", "verify")
    assert answer.outcome == "ok"
    (owned,) = asking("ready", "verify").stages["db"].owned.values()
    assert meta["uid"] == owned.uid
    assert unknown == set()


def test_what_was_not_applied_yet_is_made_by_the_simulated_apply() -> None:
    answer, _, _ = simulated("never", "apply")
    assert isinstance(answer.event, ApplyFinished)
    assert [(one.id, one.action) for one in answer.event.objects] == [("shop_web_apps_Deployment", "created")]


def test_requests_are_answered_as_their_action_expects() -> None:
    call = Call(url="https://hooks.example.com/x", method="POST", headers={}, body=b"", final=frozenset({202, 204}))
    assert asyncio.run(SimulatedCalling().call(call, within_s=1)).status == 202


@pytest.mark.parametrize(("kind", "known"), [("ConfigMap", True), ("Secret", True), ("Deployment", False)])
def test_of_some_kinds_a_name_is_enough(kind: str, known: bool) -> None:
    group = "apps" if kind == "Deployment" else ""
    assert (simulation._stub(f"shop_web_{group}_{kind}", "v1") is not None) is known


def test_tokens_of_secret_values_are_data_of_a_secret() -> None:
    meta = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"token": "secret:1", "plain": "YQ=="}}
    found = simulation._usable(made)
    assert found["metadata"] == {"name": "a", "namespace": "shop", "labels": {"a": "b"}}
    assert found["data"] == {"token": base64.b64encode(b"secret:1").decode(), "plain": "YQ=="}


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[1, {}]", b"[" * 100_000])
def test_a_blob_that_is_no_list_of_objects_has_none(data: bytes) -> None:
    assert simulation._objects(data) == []
