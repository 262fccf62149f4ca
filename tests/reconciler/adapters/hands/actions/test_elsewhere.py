"""Actions of a StageSet with a kubeconfig: their targets are remote, the Secrets that they name are at home."""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.ports.cluster import Ref
from reconciler.ports.requests import Reply
from reconciler.state import Phase
from tests.reconciler.adapters.clusters.remote import Remotes, document, secret
from tests.reconciler.adapters.hands.rollout import config_map, one_stage, run

EAST = {"kubeConfig": {"secretRef": {"name": "prod"}}}
MODE = Ref("v1", "ConfigMap", "shop", "mode")


class Caller:
    """Takes requests, and remembers their bodies."""

    def __init__(self) -> None:
        self.bodies: list[bytes | None] = []

    async def call(self, call: Any, *, within_s: float) -> Reply:
        self.bodies.append(call.body)
        return Reply(host="receiver.test", status=200, content_type="text/plain", excerpt="")


def spec(**action: Any) -> dict[str, Any]:
    return one_stage(**EAST, actions={"pre": [{"name": "step", **action}]})


def away(test: Any) -> None:
    async def inside(rollout: Any) -> None:
        east = remotes.clusters["https://east.test"]
        await east.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await rollout.cluster.create(secret("prod", document("https://east.test")))
        await test(rollout, east)

    remotes = Remotes(east=MemoryCluster(lambda: 0.0))
    run(inside, reach=remotes.reach)


def test_what_an_action_changes_is_on_the_target():
    async def test(rollout, east):
        for cluster in (rollout.cluster, east):
            await cluster.create(config_map("mode", mode="open"))
        patch = {"target": {"kind": "ConfigMap", "name": "mode"}, "patch": "data: {mode: closed}"}
        rollout.open(spec(patch=patch), db=[config_map("a")])
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        assert (await east.get(MODE))["data"] == {"mode": "closed"}
        assert (await rollout.cluster.get(MODE))["data"] == {"mode": "open"}

    away(test)


def test_a_request_is_made_of_secrets_at_home():
    async def test(rollout, east):
        caller: Any = Caller()
        rollout.tools = rollout.tools._replace(caller=caller)
        rollout.restart()
        await rollout.cluster.create(secret("body", "at home", key="text"))
        http = {"url": "http://receiver.test/", "bodyFrom": {"name": "body", "key": "text"}}
        rollout.open(spec(http=http), db=[config_map("a")])
        await rollout.rest()
        assert caller.bodies == [b"at home"]

    away(test)


def test_a_request_that_may_have_been_sent_is_in_doubt_whether_or_not_the_target_can_be_reached():
    async def test(rollout, east):
        rollout.open(spec(http={"url": "http://receiver.test/"}), db=[config_map("a")])
        await rollout.until("action")
        await rollout.tools.clusters.close()
        rollout.tools.clusters._hands.clear()
        rollout.tools.clusters._versions.clear()
        await rollout.cluster.delete(Ref("v1", "Secret", "shop", "prod"))
        rollout.restart()
        answer = await rollout.perform(first=False)
        assert answer.outcome == "indeterminate"

    away(test)


def test_where_the_target_cannot_be_reached_any_more_the_action_failed_and_was_not_performed():
    async def test(rollout, east):
        await east.create(config_map("mode", mode="open"))
        patch = {"target": {"kind": "ConfigMap", "name": "mode"}, "patch": "data: {mode: closed}"}
        rollout.open(spec(patch=patch), db=[config_map("a")])
        await rollout.until("action")
        await rollout.tools.clusters.close()
        rollout.tools.clusters._hands.clear()
        rollout.tools.clusters._versions.clear()
        await rollout.cluster.delete(Ref("v1", "Secret", "shop", "prod"))
        answer = await rollout.perform()
        assert (answer.outcome, answer.event.reason) == ("failed", "KubeconfigMissing")
        assert (answer.event.hook, answer.event.action) == ("pre", "step")
        assert (await east.get(MODE))["data"] == {"mode": "open"}

    away(test)
