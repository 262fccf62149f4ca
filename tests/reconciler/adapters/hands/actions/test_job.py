"""A job action: created once, looked for before anything is repeated, awaited without a poll, never beside another."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.hands.actions.job_bench import OLD_KEY, Through, a_job, actions, copy_of, run, words


def test_it_creates_the_job_and_awaits_its_end():
    async def test(bench):
        bench.objects = [a_job(log="one\ntwo\n", ttlSecondsAfterFinished=0)]
        answer = await bench.perform(first=True)
        live = await bench.the_job()
        name = live["metadata"]["name"]
        assert answer.outcome == "ok"
        assert answer.event.message == f"Job shop/{name} completed"
        assert [(item.action, item.uid) for item in answer.event.objects] == [("complete", live["metadata"]["uid"])]
        assert bench.reported == [f"planned {name}", f"created {name}"]
        (container,) = answer.event.evidence["containers"]
        assert (container["exitCode"], container["log"]) == (0, "one\ntwo")
        assert answer.blobs == ("sha256:artifact",)
        assert live["metadata"]["labels"]["stages.metio.wtf/stage"] == "db"
        assert live["metadata"]["annotations"]["stages.metio.wtf/action"] == bench.key
        # It must not vanish before its outcome is recorded.
        assert "ttlSecondsAfterFinished" not in live["spec"]

    run(test)


def test_waiting_costs_no_request():
    async def test(bench):
        bench.objects = [a_job(after="9m")]
        work = asyncio.ensure_future(bench.perform(first=True))
        await bench.under_way()
        before = dict(bench.admin.hooks.counts)
        await asyncio.sleep(400)
        # Our own listing above is all that was asked; the watch may be opened again now and then.
        asked = {verb: count - before.get(verb, 0) for verb, count in bench.admin.hooks.counts.items()}
        assert (asked.get("get", 0), asked.get("list", 0)) == (0, 0)
        assert (await work).outcome == "ok"

    run(test)


def test_nothing_listens_any_more_when_it_is_over():
    async def test(bench):
        hand = bench.hand()
        await bench.perform(bench.acting(first=True)._replace(hand=hand))
        assert [report.subscribers for report in hand.watches.report()] == [0]

    run(test)


def test_several_jobs_are_created_together_and_all_are_awaited():
    async def test(bench):
        bench.objects = [a_job("a", after="1s"), a_job("b", after="60s")]
        answer = await bench.perform(first=True)
        assert actions(answer) == ["complete", "complete"]
        a, b = [job["metadata"]["name"] for job in await bench.jobs()]
        # The end of the first is recorded while the second still runs.
        assert bench.reported == [f"planned {a}", f"planned {b}", f"created {a}", f"created {b}", f"complete {a}"]
        assert answer.event.message == f"Job shop/{a} completed; Job shop/{b} completed"

    run(test)


def test_a_failed_job_fails_the_action_at_once_and_is_kept_with_its_log():
    async def test(bench):
        bench.objects = [a_job("slow", after="9m"), a_job("bad", outcome="fail", log="connecting\nno such table: t\n")]
        begun = bench.clock.now_ms()
        answer = await bench.attempt(first=True)
        assert bench.clock.now_ms() - begun < 20_000
        bad, slow = [job["metadata"]["name"] for job in await bench.jobs()]
        assert words(answer) == "failed JobFailed True"
        said = f"Job shop/{bad} failed: BackoffLimitExceeded: container migrate exited with 3: no such table: t"
        assert answer.event.message == said
        assert {item.id.split("_")[1]: item.action for item in answer.event.objects} == {bad: "failed", slow: "running"}

    run(test)


def test_a_later_attempt_deletes_what_failed_and_watches_what_runs():
    async def test(bench):
        bench.objects = [a_job("slow", after="2m"), a_job("bad", outcome="fail")]
        await bench.attempt(first=True)
        bad, slow = await bench.jobs()
        effects = list(bench.effects)
        answer = await bench.attempt()
        assert words(answer) == "failed JobFailed True"
        again, same = await bench.jobs()
        name = bad["metadata"]["name"]
        assert bench.effects[len(effects) :] == [f"delete {name}", f"create {name}"]
        assert again["metadata"]["uid"] != bad["metadata"]["uid"]
        assert same["metadata"]["uid"] == slow["metadata"]["uid"]

    run(test)


def test_what_completed_before_is_not_run_again():
    async def test(bench):
        bench.objects = [a_job("a", after="1s"), a_job("bad", outcome="fail", after="9s")]
        await bench.attempt(first=True)
        a, _ = await bench.jobs()
        await bench.remove(a)
        effects = len(bench.effects)
        assert words(await bench.attempt()) == "failed JobFailed True"
        assert not any(a["metadata"]["name"] in effect for effect in bench.effects[effects:])

    run(test)


def test_a_failed_job_that_somebody_removed_is_created_again():
    async def test(bench):
        bench.objects = [a_job(outcome="fail")]
        await bench.attempt(first=True)
        await bench.remove(await bench.the_job())
        answer = await bench.attempt()
        assert words(answer) == "failed JobFailed True"
        assert [effect.split()[0] for effect in bench.effects] == ["create", "delete", "create"]
        # Without the plan on record, a crash here would find a Job with a UID that nobody expects.
        assert [one.split()[0] for one in bench.reported] == ["planned", "created", "planned", "created"]

    run(test)


def test_a_failed_job_that_cannot_be_deleted_is_named_and_nothing_runs_beside_it():
    async def test(bench):
        bench.objects, bench.timeout_s = [a_job(outcome="fail")], 60
        await bench.attempt(first=True)
        live = await bench.the_job()
        name = live["metadata"]["name"]
        patch = {"metadata": {"finalizers": ["example.com/keep"]}}
        await bench.admin.patch(Ref("batch/v1", "Job", "shop", name), patch, type="merge")
        answer = await bench.attempt()
        assert words(answer) == "failed JobTerminating True"
        assert answer.event.message == (
            f"Job shop/{name} failed before, was deleted to be created again, and is still there: look at its "
            "finalizers"
        )
        assert [effect.split()[0] for effect in bench.effects] == ["create", "delete"]

    run(test)


class Replacing(Through):
    """Somebody replaces the Job just before it is deleted."""

    async def delete(self, ref, **options):
        live = await self.cluster.get(ref)
        await self.cluster.delete(ref)
        await self.cluster.create(copy_of(live))
        await self.cluster.delete(ref, **options)


def test_only_the_very_job_that_failed_is_deleted():
    async def test(bench):
        bench.objects = [a_job(outcome="fail")]
        await bench.attempt(first=True)
        old = await bench.the_job()
        bench.cluster = Replacing(bench.admin)
        assert words(await bench.attempt()) == "indeterminate Indeterminate False"
        assert (await bench.the_job())["metadata"]["uid"] != old["metadata"]["uid"]

    run(test)


def test_a_failed_job_that_somebody_replaced_is_not_taken_for_a_new_try():
    async def test(bench):
        bench.objects = [a_job(outcome="fail")]
        await bench.attempt(first=True)
        live = await bench.the_job()
        await bench.remove(live)
        await bench.admin.create(copy_of(live))
        answer = await bench.attempt()
        assert words(answer) == "indeterminate Indeterminate False"

    run(test)


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_job_that_outlasts_the_deadline_runs_on_and_is_watched_by_a_later_try():
    async def test(bench):
        bench.objects, bench.timeout_s = [a_job(after="60s")], 30
        answer = await bench.attempt(first=True)
        name = (await bench.the_job())["metadata"]["name"]
        assert words(answer) == "failed JobTimeout True"
        assert answer.event.message == (
            f"Job shop/{name} has not ended in time (0 of 1 completions, 1 active, 0 failed); it is left running, and "
            "a later try goes on watching it; container migrate is waiting: ContainerCreating"
        )
        assert actions(answer) == ["running"]
        bench.timeout_s = 300
        assert (await bench.attempt()).outcome == "ok"
        assert len(bench.effects) == 1

    run(test)


def test_an_end_that_came_while_nobody_looked_counts_after_the_deadline_too():
    async def test(bench):
        await bench.crashing_after("patch")
        await asyncio.sleep(60)
        bench.timeout_s = -30
        assert (await bench.attempt()).outcome == "ok"

    run(test)


def test_nothing_is_created_after_the_deadline():
    async def test(bench):
        bench.timeout_s = 0
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed JobTimeout True"
        assert "the time of the action was over before Job shop/migrate-" in answer.event.message
        assert bench.effects == []

    run(test)


def test_what_keeps_its_pod_from_starting_stands_in_the_message():
    async def test(bench):
        bench.objects, bench.timeout_s = [a_job(outcome="never")], 30
        work = asyncio.ensure_future(bench.attempt(first=True))
        await bench.under_way()
        await _stuck(bench, reason="ImagePullBackOff", message='Back-off pulling image "i:1"')
        answer = await work
        assert "container migrate of Pod shop/migrate-" in answer.event.message
        assert 'cannot start: ImagePullBackOff: Back-off pulling image "i:1"' in answer.event.message

    run(test)


async def _stuck(bench, *, reason: str, message: str) -> None:
    (pod,) = (await bench.admin.list(Scope("v1", "Pod", "shop"))).items
    state = {"waiting": {"reason": reason, "message": message}}
    pod["status"]["phase"] = "Pending"
    pod["status"]["containerStatuses"] = [
        {"name": "migrate", "image": "i:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    ]
    await bench.admin.replace(pod, subresource="status")


# ── older revisions ──────────────────────────────────────────────────────────────────────────────────────────────


async def _earlier(bench, **job):
    """A Job of an older revision of the same action, and a new revision at work."""
    bench.objects, bench.key = [a_job(**job)], OLD_KEY
    await bench.crashing_after("patch")
    bench.earlier = tuple(bench.items.values())
    bench.items, bench.key, bench.objects = {}, "a" * 64, [a_job(after="1s")]
    return await bench.the_job()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("outcome", ["ready", "fail"])
def test_nothing_is_created_while_an_older_revision_runs(known, outcome):
    async def test(bench):
        old = await _earlier(bench, after="100s", outcome=outcome)
        if not known:
            bench.earlier = tuple(replace(item, uid="", action="planned") for item in bench.earlier)
        work = asyncio.ensure_future(bench.attempt(first=True))
        await asyncio.sleep(90)
        assert [job["metadata"]["name"] for job in await bench.jobs()] == [old["metadata"]["name"]]
        answer = await work
        assert answer.outcome == "ok"
        # What the older one became is not taken for what this one does.
        assert old["metadata"]["name"] not in str(bench.reported[2:])

    run(test)


@pytest.mark.parametrize("how", ["gone", "replaced", "finished"])
def test_an_older_one_that_does_not_run_any_more_holds_nobody(how):
    async def test(bench):
        old = await _earlier(bench, after="9m" if how != "finished" else "1s")
        if how == "finished":
            await asyncio.sleep(10)
        else:
            await bench.remove(old)
        if how == "replaced":
            await bench.admin.create(a_job(old["metadata"]["name"], after="9m"))
        begun = bench.clock.now_ms()
        assert (await bench.attempt(first=True)).outcome == "ok"
        assert bench.clock.now_ms() - begun < 20_000

    run(test)


def test_an_older_one_that_does_not_end_is_named_by_the_failure():
    async def test(bench):
        old = await _earlier(bench, outcome="never")
        bench.timeout_s = 60
        answer = await bench.attempt(first=True)
        assert words(answer) == "failed JobTimeout True"
        assert answer.event.message.startswith(
            f"Job shop/{old['metadata']['name']} of an older revision of this action has not ended in time (0 of 1 "
            "completions, 1 active, 0 failed), and two must not run side by side: nothing was created; look at it, or "
            "delete it"
        )
        assert len(await bench.jobs()) == 1

    run(test)


# ── inputs that change ───────────────────────────────────────────────────────────────────────────────────────────


def _changed() -> dict:
    changed = a_job()
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    return changed


def test_what_runs_is_not_run_a_second_time_because_its_inputs_changed():
    async def test(bench):
        await bench.crashing(2)
        bench.objects = [_changed()]
        assert (await bench.attempt()).outcome == "ok"
        assert len(await bench.jobs()) == 1

    run(test)


def test_what_was_planned_and_never_created_takes_the_new_inputs():
    async def test(bench):
        await bench.crashing(1)
        bench.objects = [_changed()]
        assert (await bench.attempt()).outcome == "ok"
        live = await bench.the_job()
        assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "i:2"
        # The name that nothing is going to be created by is not left open.
        assert [one.split()[0] for one in bench.reported] == ["planned", "planned", "dropped", "created"]

    run(test)


def test_what_completed_stays_complete_beside_one_whose_inputs_changed():
    async def test(bench):
        bench.objects = [a_job("a", after="1s"), a_job("migrate", outcome="fail", after="9s")]
        await bench.attempt(first=True)
        other = a_job("a", after="1s", activeDeadlineSeconds=77)
        bench.objects = [other, _changed()]
        answer = await bench.attempt()
        assert answer.outcome == "ok"
        created = [effect for effect in bench.effects if effect.startswith("create a-")]
        assert len(created) == 1

    run(test)


# ── custom kinds ─────────────────────────────────────────────────────────────────────────────────────────────────

_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "runs.example.com"},
    "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "runs", "singular": "run", "kind": "Run", "listKind": "RunList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "outcome", "said"),
    [
        ("Complete", "ok", "completed"),
        ("Failed", "failed", "failed: Broke: it broke"),
        ("Running", "failed", "it reports neither the condition Complete nor Failed"),
    ],
)
def test_a_custom_kind_is_awaited_by_the_same_conditions(condition, outcome, said):
    async def test(bench):
        await bench.admin.create(_CRD)
        await asyncio.sleep(1)
        bench.timeout_s = 60
        meta = {"name": "load", "namespace": "shop"}
        bench.objects = [{"apiVersion": "example.com/v1", "kind": "Run", "metadata": meta, "spec": {}}]
        work = asyncio.ensure_future(bench.attempt(first=True))
        await asyncio.sleep(1)
        name = bench.effects[-1].split()[1]
        live = await bench.admin.get(Ref("example.com/v1", "Run", "shop", name))
        found = {"type": condition, "status": "True", "reason": "Broke", "message": "it broke"}
        await bench.admin.replace({**live, "status": {"conditions": [found]}})
        answer = await work
        assert (answer.outcome, said in answer.event.message) == (outcome, True)

    run(test)
