"""Unique secrets in the hands of a real controller before a real API server, which quotes them: they are kept nowhere.

The simulation has every place where a secret can stand (`tests/replay/test_canary.py`); here are the real answers, the
real log at its most talkative, the real files, and the pages that Prometheus and kubectl are shown.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from ledger.sqlite_log import SqliteReader
from tests.cluster.rollout.acting import ActionController, job, job_of, post_to
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.remote_shop import SECRET, kubeconfig_of, prepare_target, write_secret
from tests.cluster.rollout.shop import Shop, stage
from tests.replay.canaries import forms, inside
from tests.replay.many import every_run
from tests.replay.parts import members

#: Plain YAML scalars, and no labels (RFC 1123): an API server says what it did not take for one.
VARIABLE, JOB = "canary-variable-3f/9+a=", "canary-job-77/x+b="
STRING, HEADER, BODY = "canary string data 51/+<&>", "canary-header-84/+hdr", "canary-body-55/+bdy<&>"
BEARER = "canary-bearer-29/+tok"
CANARIES = (VARIABLE, JOB, STRING, HEADER, BODY, BEARER)
BACKEND = "backend"


class Case(NamedTuple):
    """A StageSet that fails, and what its message holds in the place of the secret."""

    name: str
    prepare: Callable[[Shop, Receiver], dict[str, Any]]
    words: str


def _secret(shop: Shop, **data: str) -> None:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    shop.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds"}, "data": encoded})


def _from_secret(**fields: Any) -> dict[str, Any]:
    build = {"substituteFrom": [{"kind": "Secret", "name": "creds"}]}
    return {"stages": [stage(BACKEND, postBuild=build, **fields)]}


def _variable(shop: Shop, _: Receiver) -> dict[str, Any]:
    _secret(shop, tok=VARIABLE)
    refused = shop.config("refused", "v1")
    refused["metadata"]["labels"] = {"tier": "${tok}"}
    taken = {**shop.config("taken", "v1"), "data": {"dsn": "postgres://u:${tok}@db", "alone": "${tok}"}}
    shop.publish(BACKEND, "v1", {"refused.yaml": refused, "taken.yaml": taken})
    return _from_secret()


def _plain(shop: Shop, _: Receiver) -> dict[str, Any]:
    metadata = {"name": "plain", "namespace": shop.namespace, "annotations": {"it is": "no key"}}
    plain = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": STRING}}
    shop.publish(BACKEND, "v1", {"plain.yaml": plain})
    return {"stages": [stage(BACKEND)]}


def _job(shop: Shop, _: Receiver) -> dict[str, Any]:
    _secret(shop, tok=JOB)
    made = job("migrate", marks={"exit-code": "3"})
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "TOKEN", "value": "${tok}"}]
    made["spec"]["template"]["metadata"]["labels"] = {"tier": "${tok}"}
    made["metadata"]["namespace"] = shop.namespace
    shop.publish(BACKEND, "v1", {"config.yaml": shop.config(BACKEND, "v1")})
    shop.publish("jobs", "v1", {"job.yaml": made})
    return _from_secret(actions={"pre": [job_of("jobs", retries=0)]})


def _request(shop: Shop, receiver: Receiver) -> dict[str, Any]:
    _secret(shop, Authorization=f"Bearer {HEADER}", body=json.dumps({"x": BODY}))
    path = f"/{shop.namespace}"
    receiver.statuses[path] = 500
    references = {
        "headersFrom": [{"name": "creds", "key": "Authorization"}],
        "bodyFrom": {"name": "creds", "key": "body"},
    }
    shop.publish(BACKEND, "v1", {"config.yaml": shop.config(BACKEND, "v1")})
    return {"stages": [stage(BACKEND, actions={"pre": [{**post_to(receiver, path, **references), "retries": 0}]})]}


def _remote(shop: Shop, _: Receiver) -> dict[str, Any]:
    prepare_target(shop.plane, shop.namespace)
    document = json.loads(kubeconfig_of(shop.plane, shop.namespace))
    document["users"][0]["user"] = {"token": BEARER}
    write_secret(shop, json.dumps(document))
    shop.publish(BACKEND, "v1", {"config.yaml": shop.config(BACKEND, "v1")})
    return {"stages": [stage(BACKEND)], "kubeConfig": {"secretRef": {"name": SECRET}}}


CASES = (
    Case("variable", _variable, "[redacted]"),
    Case("plain", _plain, "metadata.annotations"),
    Case("job", _job, "[redacted]"),
    Case("request", _request, "answered with 500"),
    Case("remote", _remote, "does not accept the credential"),
)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture(scope="module")
def controller(installed, server, receiver, tmp_path_factory) -> Iterator[ActionController]:
    folder, hosts = tmp_path_factory.mktemp("controller"), ("127.0.0.1",)
    with ActionController(
        installed, folder, artifact_hosts=(server.host,), receiver=receiver, cluster_hosts=hosts
    ) as running:
        yield running


def _found(text: str) -> list[str]:
    return [value for value in CANARIES if any(form in text for form in forms(value))]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_failure_keeps_no_secret(case: Case, shop, controller, receiver):
    shop.release(**case.prepare(shop, receiver))
    message = shop.until_failed(case.words)
    assert _found(message) == []
    leaks = {place: found for place, text in _places(shop, controller) if (found := _found(text))}
    assert leaks == {}


def test_the_secrets_were_there(controller, receiver):
    """What was looked for above had been sent to where it belongs, and is in the artifact that spells it out."""
    assert [one.body for one in receiver.got] == [json.dumps({"x": BODY})]
    spelled = {value for text in _artifacts(controller) for value in _found(text)}
    assert spelled == {STRING}


def _places(shop: Shop, controller: ActionController) -> Iterator[tuple[str, str]]:
    """Name and text of whatever is kept or shown."""
    yield "log", controller.log()
    yield "metrics", controller.get("/metrics", port=controller.metrics_port)[1]
    for kind in ("stagesets", "stageinventories", "stageledgers", "events"):
        yield kind, json.dumps(shop.kubectl.get(kind)["items"], ensure_ascii=False)
    for path in controller.ledger.parent.rglob("ledger.db*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")
    with closing(SqliteReader(controller.ledger, snapshot=True)) as reader:
        for stored in reader.read():
            yield f"position {stored.seq}", (stored.header + (stored.body or b"")).decode()
        for digest in reader.blobs.digests():
            data = reader.blobs.get(digest)
            if not data.startswith(b"\x1f\x8b"):
                yield f"blob {digest}", data.decode()
        for run, bundle in every_run(reader):
            for name, content in members(bundle).items():
                texts = inside(content) if content.startswith(b"\x1f\x8b") else [content.decode()]
                yield from ((f"bundle of {run}: {name}", text) for text in texts)


def _artifacts(controller: ActionController) -> Iterator[str]:
    with closing(SqliteReader(controller.ledger, snapshot=True)) as reader:
        for digest in reader.blobs.digests():
            data = reader.blobs.get(digest)
            if data.startswith(b"\x1f\x8b"):
                yield from inside(data)
