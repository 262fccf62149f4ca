"""What cannot be rendered, created or read: told in a sentence, and never taken for something that did not happen."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from ledger.events import Pin
from reconciler.adapters.hands.actions import job
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.memory import faults, status
from reconciler.api.types import Action, StageSetSpec
from reconciler.api.types.actions import JobAction
from reconciler.api.types.sources import SourceRef
from reconciler.errors import Invalid, OperationError
from reconciler.ports.cluster import Scope
from tests.reconciler.adapters.hands.actions.job_bench import a_job, actions, run, words
from tests.reconciler.adapters.hands.rollout import TARGET, artifact, one_stage
from tests.reconciler.adapters.hands.rollout import run as run_rollout
from tests.reconciler.adapters.world import settled


def test_an_artifact_without_objects_fails():
    async def test(bench):
        bench.objects = []
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed NoObjects False"
        assert answer.event.message == (
            "the artifact of the action holds no object at path ./jobs: put a Job there, or correct job.path"
        )

    run(test)


def test_what_cannot_be_rendered_fails_with_its_own_words():
    async def test(bench):
        bench.render_error = OperationError("malformed manifest: line 3", reason="MalformedManifest", retryable=False)
        answer = await bench.attempt(first=True)
        assert (words(answer), answer.event.message) == (
            "failed MalformedManifest False",
            "malformed manifest: line 3",
        )

    run(test)


def test_a_refused_creation_names_the_job_and_the_right_that_is_missing():
    async def test(bench):
        bench.cluster = bench.admin.as_user("system:serviceaccount:shop:deployer")
        await _allow(bench, ["get", "list", "watch"])
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed Forbidden False"
        assert answer.event.message.startswith("Job shop/migrate-")
        assert "give system:serviceaccount:shop:deployer a Role that allows create on jobs.batch" in (
            answer.event.message
        )

    run(test)


def test_a_job_that_the_server_finds_invalid_fails_for_good_without_its_secrets():
    async def test(bench):
        why = 'Job.batch "x" is invalid: spec: Invalid value: "hunter2-hunter2"'
        faults.Script(bench.admin.hooks).add("create", status.make(Invalid, why), kind="Job")
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed Invalid False"
        assert "[redacted]" in answer.event.message
        assert "hunter2" not in str(answer.event)

    run(test)


async def _allow(bench, verbs: list[str], resources: tuple[str, ...] = ("jobs",)) -> None:
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": ["batch", ""], "resources": list(resources), "verbs": verbs}]
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "shop"}, "rules": rules}
    subject = {"kind": "ServiceAccount", "name": "deployer", "namespace": "shop"}
    binding = {
        "apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"},
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "r"}, "subjects": [subject],
    }  # fmt: skip
    await bench.admin.create(role)
    await bench.admin.create(binding)


def test_a_log_that_may_not_be_read_does_not_hide_the_failure():
    async def test(bench):
        bench.objects = [a_job(outcome="fail", log="secret words")]
        bench.cluster = bench.admin.as_user("system:serviceaccount:shop:deployer")
        await _allow(bench, ["create", "get", "list", "watch", "patch", "delete"], ("jobs", "pods", "events"))
        answer = await bench.attempt(first=True)
        message = answer.event.message
        assert "failed: BackoffLimitExceeded: container migrate exited with 3; the log of container migrate" in message
        assert (
            "could not be read: give system:serviceaccount:shop:deployer a Role that allows get on pods/log" in message
        )

    run(test)


def test_without_the_right_to_list_it_is_watched_by_name():
    async def test(bench):
        bench.cluster = bench.admin.as_user("system:serviceaccount:shop:deployer")
        await _allow(bench, ["create", "get", "patch"])
        answer = await bench.attempt(first=True)
        assert answer.outcome == "ok"

    run(test)


def test_a_server_that_is_away_for_a_while_is_asked_again():
    async def test(bench):
        await bench.crashing(2)
        script = faults.Script(bench.admin.hooks)
        for _ in range(3):
            script.add("get", faults.unavailable(), kind="Job")
        assert (await bench.attempt()).outcome == "ok"
        assert not script.left

    run(test)


def test_what_cannot_be_looked_at_is_neither_repeated_nor_forgotten():
    async def test(bench):
        await bench.crashing(2)
        script = faults.Script(bench.admin.hooks)
        for _ in range(5):
            script.add("get", faults.unavailable(), kind="Job")
        answer = await bench.attempt()
        assert words(answer) == "failed ServiceUnavailable True"
        assert actions(answer) == ["created"]
        assert (await bench.attempt()).outcome == "ok"
        assert len(bench.effects) == 1

    run(test)


# ── from the artifact itself ─────────────────────────────────────────────────────────────────────────────────────


def test_the_objects_come_from_the_pinned_artifact():
    async def test(rollout):
        obj = a_job(after="0s")
        del obj["metadata"]["namespace"]
        body = artifact(obj)
        rollout.artifacts.bodies["http://source.test/jobs"] = body
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        pin = Pin(stage="db", source="GitRepository/shop/jobs", url="http://source.test/jobs", digest=digest)
        reported = []

        async def report(items, message):
            reported.extend(item.action for item in items)

        action = Action(name="migrate", job=JobAction(source_ref=SourceRef(name="jobs")))
        acting = Acting(
            tools=rollout.tools, target=TARGET, spec=msgspec.convert(one_stage(), StageSetSpec), stage="db", hook="pre",
            action=action, key="a" * 64, pin=pin, first=True, seen=(), earlier=(), deadline_ms=0,
            hand=rollout.tools.clusters.own, report=report,
        )  # fmt: skip
        work = asyncio.ensure_future(job.perform(acting))
        while not work.done():
            await settled(rollout.cluster)
        answer = await work
        assert (answer.outcome, reported) == ("ok", ["planned", "created"])
        assert answer.blobs[0] == digest
        (live,) = (await rollout.cluster.list(Scope("batch/v1", "Job", "shop"))).items
        assert live["metadata"]["name"].startswith("migrate-")

    run_rollout(test)
