"""Exit codes, reasons and log tails: bounded, without secrets, and never in the way of the outcome itself."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.hands.actions.job_evidence import (
    LOG_BYTES_MAX,
    LOG_LINES_MAX,
    clean_tail,
    containers_of,
    kept_of,
)
from reconciler.adapters.memory import faults, status
from reconciler.compute.redaction import Redactor
from reconciler.errors import BadRequest, OperationError
from reconciler.ports.cluster import Scope
from tests.reconciler.adapters.hands.actions.job_bench import SECRET, a_job, run

scrub = Redactor([SECRET]).scrub


def plain(log: str) -> str:
    return clean_tail(log, scrub=lambda value: value)


@given(st.text(st.characters(codec="utf-8")))
def test_a_tail_is_bounded_and_plain_whatever_was_logged(log):
    tail = plain(log * 50)
    assert len(tail.encode()) <= LOG_BYTES_MAX
    assert tail.count("\n") < LOG_LINES_MAX
    assert not any(ord(c) < 32 and c not in "\n\t" for c in tail)


def test_it_is_the_end_that_is_kept():
    assert plain("".join(f"line {n}\n" for n in range(100))) == "\n".join(f"line {n}" for n in range(60, 100))
    assert plain("é" * 5000) == "é" * (LOG_BYTES_MAX // 2)
    # Half a character at the cut is left out.
    assert plain("é" * 5000 + "a") == "é" * (LOG_BYTES_MAX // 2 - 1) + "a"


@pytest.mark.parametrize(
    ("log", "kept"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("10%\r20%\r\ndone\n", "10%\n20%\ndone"),
        ("a\x00b\x08c\x7f", "abc"),
        ("left\u202eright\u200b", "leftright"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_what_a_terminal_would_act_on_is_left_out(log, kept):
    assert plain(log) == kept


@pytest.mark.parametrize(
    "log",
    [
        f"password={SECRET}",
        "password=hunter2\x1b[0m-hunter2",
        "password=hunter2\u200b-hunter2",
        # The cut of the tail goes through the value.
        SECRET + "x" * (LOG_BYTES_MAX - 7),
    ],
)
def test_no_secret_is_kept_whatever_stands_inside_it(log):
    tail = clean_tail(log, scrub=scrub)
    assert "hunter2" not in tail


def status_of(name: str, state: dict, last: dict | None = None) -> dict:
    return {"name": name, "state": state, **({"lastState": last} if last else {})}


def test_the_last_end_of_a_container_counts():
    pod = {
        "status": {
            "initContainerStatuses": [status_of("init", {"terminated": {"exitCode": 0, "reason": "Completed"}})],
            "containerStatuses": [
                status_of("looping", {"waiting": {"reason": "CrashLoopBackOff"}},
                          {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "t"}}),
                status_of("pulling", {"waiting": {"reason": "ImagePullBackOff"}}),
                status_of("busy", {"running": {}}),
            ],
        }
    }  # fmt: skip
    found = [(one.name, one.exit_code, one.reason) for one in containers_of(pod)]
    assert found == [
        ("init", 0, "Completed"), ("looping", 137, "OOMKilled"), ("pulling", None, "ImagePullBackOff"),
        ("busy", None, ""),
    ]  # fmt: skip


async def failed(bench, **job):
    """A Job that failed."""
    bench.objects = [a_job(outcome="fail", **job)]
    answer = await bench.attempt(first=True)
    return answer, await bench.the_job()


async def set_containers(bench, *statuses: dict) -> None:
    (pod,) = (await bench.admin.list(Scope("v1", "Pod", "shop"))).items
    pod["status"]["containerStatuses"] = [
        {"image": "", "imageID": "", "ready": False, "restartCount": 0} | one for one in statuses
    ]
    await bench.admin.replace(pod, subresource="status")


def test_the_reason_of_the_kubelet_stands_beside_the_code():
    async def test(bench):
        _, live = await failed(bench, log="a\n\nlast words\n\n")
        await set_containers(
            bench,
            status_of(
                "migrate",
                {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2030-01-01T00:00:09Z"}},
            ),
        )
        kept = await kept_of(bench.admin, [live], scrub=scrub, well=False)
        assert kept.words == "container migrate exited with 137 (OOMKilled): last words"
        assert set(kept.evidence) == {"objects", "containers", "pods", "events"}

    run(test)


def test_secrets_are_nowhere_in_the_evidence_of_a_failure():
    async def test(bench):
        answer, _ = await failed(bench, log=f"cannot log in with {SECRET}\n")
        assert answer.event.message.endswith("exited with 3: cannot log in with [redacted]")
        assert "hunter2" not in str(answer.event)

    run(test)


def test_without_the_values_no_text_of_others_is_kept():
    async def test(bench):
        bench.objects = [a_job(outcome="fail", log=f"cannot log in with {SECRET}\n")]
        await bench.crashing(2)
        await asyncio.sleep(30)
        bench.render_error = OperationError("the Secret is gone", reason="NotFound", retryable=True)
        answer = await bench.attempt()
        (live,) = await bench.jobs()
        name = live["metadata"]["name"]
        assert answer.event.message == f"Job shop/{name} failed: BackoffLimitExceeded: container migrate exited with 3"
        assert set(answer.event.evidence) == {"containers", "notes"}
        assert "left out: the values of Secrets" in answer.event.evidence["notes"][-1]
        assert bench.admin.hooks.counts.get("logs", 0) == 0

    run(test)


@pytest.mark.parametrize(
    ("verb", "kind", "note"),
    [
        ("logs", "Pod", "the log of container migrate of Pod shop/"),
        ("list", "Pod", "the Pods of Job shop/"),
        ("list", "Event", "the Events in namespace shop"),
    ],
)
def test_what_cannot_be_read_is_said_and_hides_nothing(verb, kind, note):
    async def test(bench):
        faults.Script(bench.admin.hooks).add(verb, status.make(BadRequest, "no such thing"), kind=kind)
        answer, live = await failed(bench)
        assert answer.event.reason == "JobFailed"
        assert f"Job shop/{live['metadata']['name']} failed: BackoffLimitExceeded" in answer.event.message
        assert note in answer.event.message
        assert "could not be read: no such thing" in answer.event.message

    run(test)


def test_pods_that_are_gone_leave_the_words_of_the_job():
    async def test(bench):
        _, live = await failed(bench)
        (pod,) = (await bench.admin.list(Scope("v1", "Pod", "shop"))).items
        await bench.remove({"apiVersion": "v1", "kind": "Pod", **pod})
        bench.items = {key: item for key, item in bench.items.items() if False}
        answer = await bench.attempt()
        assert answer.event.message == (
            f"Job shop/{live['metadata']['name']} failed: BackoffLimitExceeded: Job has reached the specified backoff "
            "limit"
        )
        assert answer.event.evidence["notes"] == ["no Pod is there any more, or none was made"]

    run(test)


def test_a_server_that_does_not_answer_does_not_hold_the_outcome():
    async def test(bench):
        class Slow:
            def __getattr__(self, name):
                return getattr(bench.admin, name)

            async def logs(self, *args, **kwargs):
                await asyncio.Event().wait()

        _, live = await failed(bench)
        kept = await kept_of(Slow(), [live], scrub=scrub, well=False)
        assert kept.words == "container migrate exited with 3"
        assert kept.evidence["notes"] == ["not everything could be read within 20 s"]

    run(test)


def test_lines_too_long_for_a_tail_are_asked_for_one_by_one():
    async def test(bench):
        _, live = await failed(bench, log="x" * 300_000 + "\nlast\n")
        kept = await kept_of(bench.admin, [live], scrub=scrub, well=False)
        assert kept.words == "container migrate exited with 3: last"
        bench.admin.set_logs("shop", kept.evidence["containers"][0]["pod"], "x" * 300_000, container="migrate")
        kept = await kept_of(bench.admin, [live], scrub=scrub, well=False)
        assert kept.words == "container migrate exited with 3"
        assert "its last line is longer than 240 KiB" in kept.evidence["notes"][0]

    run(test)


def test_of_many_pods_the_last_that_failed_is_told():
    async def test(bench):
        bench.timeout_s = 3600
        _, live = await failed(bench, backoffLimit=3, log="l")
        kept = await kept_of(bench.admin, [live], scrub=scrub, well=False)
        assert len(kept.evidence["containers"]) == 4
        newest = max(
            (await bench.admin.list(Scope("v1", "Pod", "shop"))).items, key=lambda pod: pod["status"]["startTime"]
        )
        assert kept.evidence["containers"][0]["pod"] == newest["metadata"]["name"]

    run(test)
