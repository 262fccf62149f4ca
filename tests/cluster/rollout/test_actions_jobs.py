"""Jobs of actions on a real cluster: foreign ones are left alone, lost ones are not repeated, ends are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.rollout import pages
from tests.cluster.rollout.acting import (
    UNKNOWN,
    ActionController,
    World,
    ask,
    get,
    job,
    job_of,
    jobs_made,
    live_jobs,
    planned_name,
    recorded,
    until_recorded,
)
from tests.cluster.rollout.gate import Gate
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.shop import RULES, Shop, role, stage
from tests.cluster.rollout.waiting import eventually

ACTION, STAGE = "migrate", "database"
#: The last line of every container's log, see container.log of the control plane.
LAST_LINE = 'error: relation "orders" does not exist'


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def gate(installed) -> Iterator[Gate]:
    with Gate(installed) as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, gate, tmp_path_factory) -> Iterator[ActionController]:
    folder = tmp_path_factory.mktemp("controller")
    with ActionController(installed, folder, artifact_hosts=(server.host,), receiver=receiver, gate=gate) as running:
        yield running


@pytest.fixture
def world(installed, controller, receiver, gate) -> World:
    return World(installed, controller, receiver, gate)


def _release(shop: Shop, *, marks: dict[str, str] | None = None, **spec: Any) -> None:
    """One stage with a Job before it."""
    shop.publish("jobs", "j1", {"job.yaml": job(ACTION, marks=marks, **spec)})
    shop.publish(STAGE, "v1", {"config.yaml": shop.config(STAGE, "v1")})
    shop.release(stages=[stage(STAGE, actions={"pre": [job_of("jobs", name=ACTION)]})])


def _running(shop: Shop) -> dict[str, Any]:
    """The Job, once it is recorded and its Pod runs."""

    def look() -> dict[str, Any] | None:
        return next((one for one in live_jobs(shop) if one.get("status", {}).get("active")), None)

    found = eventually(look, what="a running Job", show=shop.story)
    assert found is not None
    until_recorded(shop, "action.observed", action=ACTION, count=2)
    return found


def _type_in_what_the_message_says(shop: Shop, said: str, answer: str) -> None:
    found = re.search(r'stagesetctl resolve .* --reason "…"', said)
    assert found is not None
    pages.type_in(found[0].replace("done|not-done", answer), shop)


def test_a_foreign_job_of_the_same_name_is_refused_and_left_alone(shop, world):
    hold = world.gate.hold("POST", f"/namespaces/{shop.namespace}/jobs", "before")
    _release(shop)
    hold.until_reached(shop.story)
    name = planned_name(shop, ACTION)
    shop.kubectl.apply(job(name, marks={"behaviour": "never-ready"}))
    foreign = get(shop, "job", name)["metadata"]["uid"]
    hold.open()

    said = shop.until_failed(f"Job {shop.namespace}/{name} exists already", stage=STAGE)
    assert "was not created by this action: it has no owner labels; it is left alone" in said
    assert get(shop, "job", name)["metadata"]["uid"] == foreign
    assert jobs_made(shop) == []
    assert shop.revisions()[0] == "-", "a failed pre action leaves nothing applied"

    shop.kubectl("delete", "job", name)
    ask(shop, "it is gone")
    shop.until_ready(revision="v1")
    assert jobs_made(shop) == [name]


@pytest.mark.parametrize("answer", ["done", "not-done"])
def test_a_running_job_that_somebody_deletes_is_held_until_somebody_answers(shop, answer):
    _release(shop, marks={"behaviour": "never-ready"})
    lost = _running(shop)["metadata"]
    shop.kubectl("delete", "job", lost["name"])
    said = shop.until_failed(UNKNOWN, "is gone: whether it ended well is not known", stage=STAGE)
    assert lost["uid"] in said
    ask(shop, "a request does not answer it")
    until_recorded(shop, "run.opened", count=2)
    shop.until_failed(UNKNOWN, stage=STAGE)
    assert jobs_made(shop) == [lost["name"]]

    _type_in_what_the_message_says(shop, said, answer)
    if answer == "not-done":
        again = _running(shop)["metadata"]
        assert again["uid"] != lost["uid"]
        shop.kubectl("annotate", "pod", "-l", f"job-name={again['name']}", "kwok.test/behaviour-")
    shop.until_ready(revision="v1")
    assert len(jobs_made(shop)) == (1 if answer == "done" else 2)


def test_a_running_job_is_found_again_after_a_kill(shop, controller):
    _release(shop, marks={"behaviour": "never-ready"})
    before = _running(shop)["metadata"]
    controller.kill()
    # It ends while nobody watches.
    shop.kubectl("annotate", "pod", "-l", f"job-name={before['name']}", "kwok.test/behaviour-")
    shop.kubectl.wait("condition=Complete", f"job/{before['name']}")
    controller.start()
    shop.until_ready(revision="v1")
    assert jobs_made(shop) == [before["name"]]
    (finished,) = recorded(shop, "action.finished", action=ACTION)
    (container,) = finished["event"]["evidence"]["containers"]
    assert container["exitCode"] == 0
    assert container["log"].endswith(LAST_LINE)


def test_a_job_that_is_gone_after_it_was_complete_stays_complete(shop):
    _release(shop, ttlSecondsAfterFinished=0)
    shop.until_ready(revision="v1")
    made = jobs_made(shop)
    assert len(made) == 1
    eventually(lambda: live_jobs(shop) == [], what="the Job is taken away", show=shop.story)
    ask(shop, "once more")
    until_recorded(shop, "run.succeeded", count=2)
    shop.merge({"spec": {"interval": "9m"}})
    shop.until_ready(revision="v1")
    assert jobs_made(shop) == made


def test_a_failed_job_leaves_its_exit_code_and_the_end_of_its_log(shop):
    _release(shop, marks={"behaviour": "fail", "exit-code": "3"})
    said = shop.until_failed("pre-action: migrate: Job ", f"container migrate exited with 3: {LAST_LINE}", stage=STAGE)
    assert "BackoffLimitExceeded" in said
    finished = recorded(shop, "action.finished", action=ACTION)[0]
    assert finished["outcome"] == "failed"
    (container,) = finished["event"]["evidence"]["containers"]
    assert container["exitCode"] == 3
    assert container["log"].splitlines() == ["starting", "connecting to the database", LAST_LINE]
    assert shop.revisions()[0] == "-"
    # The next revision of the Job mends it; what failed goes.
    shop.publish("jobs", "j2", {"job.yaml": job(ACTION)})
    shop.until_ready(revision="v1")
    eventually(lambda: live_jobs(shop) == [], what="no Job is left", show=shop.story)


def test_a_log_that_may_not_be_read_is_told_with_the_exit_code(shop):
    (rule,) = RULES
    shop.kubectl.apply(role([{**rule, "resources": [one for one in rule["resources"] if one != "pods/log"]}]))
    _release(shop, marks={"behaviour": "fail", "exit-code": "3"})
    said = shop.until_failed("container migrate exited with 3", "could not be read", stage=STAGE)
    assert "pods/log" in said
    assert LAST_LINE not in said
    assert "log" not in recorded(shop, "action.finished", action=ACTION)[0]["event"]["evidence"]["containers"][0]


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
