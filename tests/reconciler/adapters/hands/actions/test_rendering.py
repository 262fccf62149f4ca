"""The objects of an action's artifact: built by the real kustomize, substituted, and recorded without secrets."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import msgspec
import pytest

from ledger.events import Pin
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.rendering import rendered
from reconciler.api.types import Action, StageSetSpec
from reconciler.errors import OperationError
from tests.reconciler.adapters.hands.rollout import TARGET, artifact, config_map, one_stage, run
from tests.reconciler.adapters.hands.test_variables import CANARY, from_, secret

BUILD = from_(("Secret", "creds"), plain="visible")


def acting_for(rollout, *objects: dict, **stage: Any) -> Acting:
    body = artifact(*objects)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    rollout.artifacts.bodies["http://source.test/act"] = body
    nothing: Any = None
    return Acting(
        tools=rollout.tools, target=TARGET, spec=msgspec.convert(one_stage(**stage), StageSetSpec), stage="db",
        hook="pre", action=Action(name="act"), key="a" * 64,
        pin=Pin(stage="db", action="act", source="s", url="http://source.test/act", revision="1", digest=digest),
        first=True, seen=(), earlier=(), deadline_ms=0, hand=rollout.tools.clusters.own, report=nothing,
    )  # fmt: skip


def test_objects_are_in_the_stageset_s_namespace_with_its_labels():
    async def test(rollout):
        homeless, elsewhere = config_map("a"), config_map("b")
        del homeless["metadata"]["namespace"]
        elsewhere["metadata"] |= {"namespace": "other", "labels": {"own": "1"}}
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "r"},
            "rules": [],
        }
        found = await rendered(acting_for(rollout, homeless, elsewhere, role), path="")
        by_name = {one.ref.name: one for one in found.objects}
        labels = {"stages.metio.wtf/name": "rel", "stages.metio.wtf/namespace": "shop"}
        assert [by_name[name].ref.namespace for name in ("a", "b", "r")] == ["shop", "other", ""]
        assert by_name["a"].wire["metadata"] == {"name": "a", "namespace": "shop", "labels": labels}
        assert by_name["b"].wire["metadata"]["labels"] == {"own": "1", **labels}
        assert "namespace" not in by_name["r"].wire["metadata"]
        assert [one.record for one in found.objects] == [one.wire for one in found.objects]

    run(test)


def test_the_path_is_built_and_no_patch_of_the_stage_is_in_it():
    async def test(rollout):
        patch = {"patch": "[{op: add, path: /data/patched, value: yes}]", "target": {"kind": "ConfigMap"}}
        found = await rendered(acting_for(rollout, config_map("a", k="1"), patches=[patch]), path="./")
        assert found.objects[0].wire["data"] == {"k": "1"}
        with pytest.raises(OperationError, match='path "jobs" does not exist in the artifact'):
            await rendered(acting_for(rollout, config_map("a")), path="jobs")

    run(test)


def test_the_stage_s_variables_are_on_the_wire_and_no_secret_is_recorded():
    async def test(rollout):
        await rollout.cluster.create(secret(word=CANARY))
        acting = acting_for(rollout, config_map("a", secret="${word}", plain="${plain}"), postBuild=BUILD)
        found = await rendered(acting, path="")
        (made,) = found.objects
        assert made.wire["data"] == {"secret": CANARY, "plain": "visible"}
        assert made.record["data"]["plain"] == "visible"
        assert made.record["data"]["secret"].startswith("secret:Secret/shop/creds.word@")
        assert found.scrub(f"no {CANARY}!") == "no [redacted]!"
        assert not any(CANARY.encode() in blob for blob in rollout.tools.journal.blobs.values())

    run(test)


def test_the_digest_is_of_the_record_and_does_not_show_the_secret():
    async def test(rollout):
        await rollout.cluster.create(secret(word=CANARY))
        acting = acting_for(rollout, config_map("a", secret="${word}"), postBuild=BUILD)
        (made,) = (await rendered(acting, path="")).objects
        spelled = acting_for(rollout, config_map("a", secret=CANARY))
        (plain,) = (await rendered(spelled, path="")).objects
        assert made.manifest.obj["data"] == plain.manifest.obj["data"]
        assert made.manifest.digest != plain.manifest.digest

    run(test)


def test_artifact_and_record_are_kept_and_the_server_is_asked_once():
    async def test(rollout):
        acting = acting_for(rollout, config_map("a"))
        found = await rendered(acting, path="")
        blobs = rollout.tools.journal.blobs
        assert set(found.blobs) <= set(blobs)
        assert found.blobs[0] == acting.pin.digest
        assert msgspec.json.decode(blobs[found.blobs[1]]) == [one.record for one in found.objects]
        rollout.artifacts.bodies.clear()
        assert (await rendered(acting, path="")).blobs == found.blobs
        assert len(rollout.artifacts.fetched) == 1

    run(test)


def test_a_name_that_comes_from_a_secret_is_refused():
    async def test(rollout):
        await rollout.cluster.create(secret(word=CANARY))
        with pytest.raises(OperationError, match="the name or namespace of a ConfigMap comes from a Secret") as caught:
            await rendered(acting_for(rollout, config_map("a-${word}"), postBuild=BUILD), path="")
        assert (caught.value.reason, caught.value.retryable) == ("SecretIdentity", False)

    run(test)


def test_an_object_that_is_there_twice_is_refused():
    async def test(rollout):
        twin = config_map("a")
        del twin["metadata"]["namespace"]
        with pytest.raises(OperationError, match="ConfigMap shop/a: the stage renders this object more than once"):
            await rendered(acting_for(rollout, config_map("a"), twin), path="")

    run(test)


def test_variables_that_cannot_be_read_are_a_failure():
    async def test(rollout):
        with pytest.raises(OperationError, match=r"postBuild\.substituteFrom: Secret shop/creds does not exist"):
            await rendered(acting_for(rollout, config_map("a"), postBuild=BUILD), path="")

    run(test)


def test_cancelled_while_it_fetches_it_keeps_nothing():
    async def test(rollout):
        rollout.artifacts.held = asyncio.Event()
        work = asyncio.ensure_future(rendered(acting_for(rollout, config_map("a")), path=""))
        await asyncio.sleep(0)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert rollout.tools.journal.blobs == {}

    run(test)
