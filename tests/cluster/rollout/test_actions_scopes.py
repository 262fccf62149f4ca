"""What fires again and what does not, an orderly end with a request under way, and refusals of the API server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.rollout.acting import (
    ActionController,
    ask,
    done_by,
    job,
    job_of,
    jobs_made,
    live_jobs,
    post_to,
    recorded,
    until_recorded,
)
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.shop import ACCOUNT, RULES, STAGES, Shop, role, stage
from tests.cluster.rollout.waiting import eventually


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, tmp_path_factory) -> Iterator[ActionController]:
    folder = tmp_path_factory.mktemp("controller")
    with ActionController(installed, folder, artifact_hosts=(server.host,), receiver=receiver) as running:
        yield running


def _path(shop: Shop, name: str, hook: str) -> str:
    return f"/{shop.namespace}/{name}/{hook}"


def _actions(shop: Shop, receiver: Receiver, name: str) -> dict[str, Any]:
    """Of each stage: a request, a Job and a deletion before it, a request after it."""
    victim = {"apiVersion": "v1", "kind": "ConfigMap", "name": f"old-{name}"}
    return {
        "pre": [
            post_to(receiver, _path(shop, name, "pre"), name="announce"),
            job_of(f"jobs-{name}", timeout="5m"),
            {"name": "drop", "delete": {"target": victim}},
        ],
        "post": [post_to(receiver, _path(shop, name, "post"), name="tell", timeout="20s")],
    }


def _published(shop: Shop, name: str, revision: str) -> None:
    shop.publish(name, revision, {"config.yaml": shop.config(name, revision)})


def _released(shop: Shop, receiver: Receiver) -> None:
    for name in STAGES:
        old = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"old-{name}"}}
        shop.kubectl.apply(old)
        shop.publish(f"jobs-{name}", "j1", {"job.yaml": job(f"migrate-{name}")})
        _published(shop, name, "v1")
    shop.release(stages=[stage(name, actions=_actions(shop, receiver, name)) for name in STAGES])


def _fired(shop: Shop, receiver: Receiver) -> dict[str, list[int]]:
    """By stage: requests before it, Jobs, deletions, requests after it. From outside."""
    jobs = [name.rpartition("-")[0] for name in jobs_made(shop)]
    deleted = [one.name for one in done_by(shop, "delete", "configmaps")]
    return {
        name: [
            len(receiver.at(_path(shop, name, "pre"))),
            jobs.count(f"migrate-{name}"),
            deleted.count(f"old-{name}"),
            len(receiver.at(_path(shop, name, "post"))),
        ]
        for name in STAGES
    }


ONCE = [1, 1, 1, 1]


def test_retries_after_a_failure_in_the_third_stage_fire_nothing_of_the_others(shop, receiver):
    receiver.statuses[_path(shop, "frontend", "post")] = 500
    _released(shop, receiver)
    shop.until_failed("post-action: tell: ", "500", stage="frontend")
    until_recorded(shop, "run.failed", count=2)
    now = _fired(shop, receiver)
    assert [now["database"], now["backend"]] == [ONCE, ONCE]
    assert now["frontend"][:3] == [1, 1, 1], "what is done in the failed stage is done as well"
    assert now["frontend"][3] >= 2

    receiver.statuses.clear()
    shop.until_ready(revision="v1")
    after = _fired(shop, receiver)
    assert [after["database"], after["backend"], after["frontend"][:3]] == [ONCE, ONCE, [1, 1, 1]]
    keys = {one.key for one in receiver.at(_path(shop, "frontend", "post"))}
    assert len(keys) == 1, "a retry has the same key"


def test_timeouts_intervals_and_requests_fire_nothing_and_a_revision_fires_its_own_stage(shop, receiver):
    _released(shop, receiver)
    shop.until_ready(revision="v1")
    assert _fired(shop, receiver) == dict.fromkeys(STAGES, ONCE)

    stages = [stage(name, actions=_actions(shop, receiver, name)) for name in STAGES]
    for one in stages:
        one["actions"]["pre"][1] |= {"timeout": "50m", "retries": 3}
    shop.merge({"spec": {"timeout": "10m", "interval": "20m", "retryInterval": "3s", "stages": stages}})
    shop.until_ready(revision="v1")
    runs = len(recorded(shop, "run.succeeded"))
    ask(shop, "now")
    until_recorded(shop, "run.succeeded", count=runs + 1)
    assert _fired(shop, receiver) == dict.fromkeys(STAGES, ONCE)

    _published(shop, "backend", "v2")
    eventually(lambda: shop.revisions()[1] == "v2", what="v2 of the second stage", show=shop.story)
    shop.until_ready()
    assert _fired(shop, receiver) == {"database": ONCE, "backend": [2, 2, 1, 2], "frontend": ONCE}
    eventually(lambda: live_jobs(shop) == [], what="no Job is left", show=shop.story)


def test_sigterm_lets_a_request_end_and_records_its_outcome(shop, receiver, controller):
    path = _path(shop, "database", "pre")
    held = receiver.hold(path)
    _published(shop, "database", "v1")
    shop.release(stages=[stage("database", actions={"pre": [post_to(receiver, path)]})])
    held.until_reached(shop.story)
    with ThreadPoolExecutor(1) as pool:
        code = pool.submit(controller.end)
        eventually(lambda: "ending with 0" in controller.log(), what="it was heard", show=controller.log_tail)
        before = recorded(shop, "action.finished")
        held.open()
    finished, begun = recorded(shop, "action.finished", action="announce"), recorded(shop, "apply.intended")
    controller.start()
    assert code.result() == 0
    assert before == []
    assert [one["outcome"] for one in finished] == ["ok"]
    assert begun == [], "nothing more is begun"
    shop.until_ready(revision="v1")
    assert len(receiver.at(path)) == 1


WEB = {"apiVersion": "v1", "kind": "Service", "name": "web"}
BODY = {"url": "http://example.com/", "bodyFrom": {"name": "body", "key": "text"}}
#: By verb: what the tenant may not do, and the action that needs it.
DENIED: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "job": ("create", "jobs", {"job": {"sourceRef": {"name": "jobs"}}}),
    "delete": ("delete", "services", {"delete": {"target": WEB}}),
    "patch": ("patch", "services", {"patch": {"target": WEB, "patch": "metadata: {labels: {a: b}}"}}),
    "http": ("get", "secrets", {"http": BODY}),
}


@pytest.mark.parametrize("verb", DENIED)
def test_a_denial_names_who_may_not_do_what(shop, verb):
    word, resource, action = DENIED[verb]
    spec = {"ports": [{"port": 80}], "selector": {"app": "web"}}
    shop.kubectl.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "body"}, "stringData": {"text": "x"}},
    )
    (rule,) = RULES
    others = [one for one in rule["resources"] if one != resource]
    left = [one for one in rule["verbs"] if one != word]
    shop.kubectl.apply(role([{**rule, "resources": others}, {**rule, "resources": [resource], "verbs": left}]))
    shop.publish("jobs", "j1", {"job.yaml": job()})
    _published(shop, "database", "v1")
    shop.release(stages=[stage("database", actions={"pre": [{"name": "step", **action}]})])

    who = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
    said = shop.until_failed(
        "pre-action: step: ", f'User "{who}" cannot {word} resource "{resource}"', stage="database"
    )
    assert f"give {who} a Role that allows {word} on {resource}" in said
    assert recorded(shop, "action.finished")[0]["outcome"] in {"failed", "refused"}
    assert shop.revisions()[0] == "-"


def test_afterwards_the_ledger_is_valid(controller):
    verdict = controller.audit()
    assert verdict.valid, verdict
