"""The HTTP face without kubectl: credentials, pages, watches, deletions, refusals; and its pure parts."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.sandbox import Running, jsonpath, routes, serve, tables
from reconciler.ports.cluster import Ref, Scope

START = 1_700_000_000.0
CONFIGS = "/api/v1/namespaces/default/configmaps"


class Client:
    """A few lines of HTTP."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.running, self.session = running, session
        self.headers = {"Authorization": f"Bearer {running.token}"}

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.running.url + path
        async with self.session.request(method, url, json=body, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text


def run(folder: Path, case: Callable[[MemoryCluster, Client], Awaitable[None]]) -> None:
    async def inner() -> None:
        cluster = MemoryCluster(lambda: START)
        async with await serve(cluster, kubeconfig_path=folder / "k") as running, aiohttp.ClientSession() as session:
            await cluster.tick()
            await case(cluster, Client(running, session))

    asyncio.run(inner())


async def _until(true: Callable[[], bool]) -> None:
    """Lets the server's other tasks run, ten seconds at most."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.001)


def config(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"l": "1"}},
        "data": {"a": "1"},
    }


def test_every_request_needs_a_credential(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
        assert (await client("GET", "/api"))[0] == 200
        client.headers = {}
        assert (await client("GET", "/api"))[0] == 401
        assert (await client("GET", "/healthz")) == (200, "ok")
        assert (await client("GET", "/as/nonsense/api"))[0] == 401
        assert (await client("GET", f"/as/{client.running.token}/api"))[0] == 200
        status, body = await client("GET", f"/as/{client.running.token}{CONFIGS}", Authorization="Bearer other")
        assert (status, body["reason"]) == (401, "Unauthorized")

    run(tmp_path, case)


def test_service_accounts_come_with_their_tokens(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        status, body = await client("POST", path, {"spec": {"expirationSeconds": 600}})
        assert status == 201
        client.headers = {"Authorization": f"Bearer {body['status']['token']}"}
        status, body = await client("GET", CONFIGS)
        assert (status, body["code"], body["reason"]) == (403, 403, "Forbidden")
        status, body = await client("GET", CONFIGS, Impersonate_User="kubernetes-admin")
        assert 'cannot impersonate resource "users"' in body["message"]
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "default"}}}
        status, body = await client("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        assert (status, body["status"]["allowed"]) == (201, False)

    run(tmp_path, case)


def test_lists_come_in_pages(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        for number in range(5):
            assert (await client("POST", CONFIGS, config(f"c{number}")))[0] == 201
        names, token, versions = [], "", set()
        while True:
            _, page = await client("GET", f"{CONFIGS}?limit=2&continue={token}")
            names += [item["metadata"]["name"] for item in page["items"]]
            versions.add(page["metadata"]["resourceVersion"])
            await client("DELETE", f"{CONFIGS}/c4")
            token = page["metadata"].get("continue", "")
            if not token:
                break
        assert names == ["c0", "c1", "c2", "c3", "c4"]
        assert len(versions) == 1
        assert (await client("GET", f"{CONFIGS}?continue=page-99"))[0] == 410

    run(tmp_path, case)


def test_collections_are_deleted(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        for name in ("a", "b"):
            await client("POST", CONFIGS, config(name))
        assert (await client("DELETE", f"{CONFIGS}?labelSelector=l%3D2"))[0] == 200
        assert len((await client("GET", CONFIGS))[1]["items"]) == 2
        await client("DELETE", f"{CONFIGS}?labelSelector=l%3D1")
        assert (await client("GET", CONFIGS))[1]["items"] == []

    run(tmp_path, case)


def test_deletions_answer_what_became_of_the_object(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        held = config("held")
        held["metadata"]["finalizers"] = ["example.test/hold"]
        for obj in (config("free"), held):
            await client("POST", CONFIGS, obj)
        status, body = await client("DELETE", f"{CONFIGS}/free")
        assert (status, body["status"], body["details"]["name"]) == (200, "Success", "free")
        status, body = await client("DELETE", f"{CONFIGS}/held?dryRun=All")
        assert "deletionTimestamp" not in (await client("GET", f"{CONFIGS}/held"))[1]["metadata"]
        status, body = await client("DELETE", f"{CONFIGS}/held")
        assert body["metadata"]["deletionTimestamp"]

    run(tmp_path, case)


def test_watches_stream_lines_and_end(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        url = f"{client.running.url}{CONFIGS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
        await client("POST", CONFIGS, config("a"))
        async with client.session.get(url, headers=client.headers) as answer:
            first, mark = json.loads(await answer.content.readline()), json.loads(await answer.content.readline())
            assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert mark["type"] == "BOOKMARK"
            assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            await client("DELETE", f"{CONFIGS}/a")
            assert json.loads(await answer.content.readline())["type"] == "DELETED"
            cluster.drop_watches()
            assert await answer.content.readline() == b""
        assert cluster.world.store.watchers == []
        cluster.forget_history()
        async with client.session.get(
            f"{url}&resourceVersion=1".replace("sendInitialEvents=true&", ""), headers=client.headers
        ) as answer:
            event = json.loads(await answer.content.readline())
            assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")

    run(tmp_path, case)


def test_a_client_that_goes_leaves_no_watch(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        url = f"{client.running.url}{CONFIGS}?watch=true&resourceVersion=1&timeoutSeconds=3600"
        async with client.session.get(url, headers=client.headers) as answer:
            assert answer.status == 200
            await _until(lambda: bool(cluster.world.store.watchers))
            answer.close()
        await _until(lambda: not cluster.world.store.watchers)

    run(tmp_path, case)


def test_refusals(tmp_path: Path) -> None:
    async def case(cluster: MemoryCluster, client: Client) -> None:
        assert (await client("GET", "/apis/nope.example/v1/things"))[0] == 404
        assert (await client("GET", "/nonsense"))[0] == 404
        assert (await client("GET", "/api/v1/namespaces/default/pods/x/exec"))[0] == 501
        assert (await client("PUT", CONFIGS, config("a")))[0] in (404, 405)
        status, body = await client("POST", CONFIGS, {**config("a"), "kind": "Secret"})
        assert (status, body["reason"]) == (400, "BadRequest")
        headers = {**client.headers, "Content-Type": "application/vnd.kubernetes.protobuf"}
        async with client.session.post(client.running.url + CONFIGS, data=b"k8s", headers=headers) as answer:
            assert answer.status == 415
            assert "kubectl apply -f" in (await answer.json())["message"]
        status, body = await client("POST", f"{CONFIGS}?fieldValidation=Strict", {**config("a"), "datta": {}})
        assert 'strict decoding error: unknown field "datta"' in body["message"]

    run(tmp_path, case)


def test_time_goes_on_by_itself(tmp_path: Path) -> None:
    async def inner() -> None:
        loop = asyncio.get_running_loop()
        cluster = MemoryCluster(lambda: START + loop.time())
        async with await serve(cluster, kubeconfig_path=tmp_path / "k"):
            notes = {"sandbox.stages.metio.wtf/ready-after": "50ms"}
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "default", "annotations": notes},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            }
            made = await cluster.create(pod)
            scope = Scope("v1", "Pod", "default")
            async with asyncio.timeout(10):
                async for event in cluster.watch(scope, resource_version=made["metadata"]["resourceVersion"]):
                    if event.object["status"]["phase"] == "Running":
                        break
            assert (await cluster.get(Ref("v1", "Pod", "default", "p")))["status"]["phase"] == "Running"

    asyncio.run(inner())


def test_paths() -> None:
    assert routes.parse("/api/v1/namespaces/a/pods/b/log") == ("", "v1", "pods", "a", "b", "log")
    assert routes.parse("/apis/apps/v1/deployments") == ("apps", "v1", "deployments", "", "", "")
    assert routes.parse("/api/v1/namespaces/a") == ("", "v1", "namespaces", "", "a", "")
    assert routes.parse("/api/v1/namespaces/a/status") == ("", "v1", "namespaces", "", "a", "status")
    assert routes.parse("/api/v1") == ("", "v1", "", "", "", "")
    assert routes.parse("/apis/apps") is None
    assert routes.parse("/api/v1/namespaces/a/pods/b/log/c") is None


def test_json_paths() -> None:
    obj = {
        "metadata": {"labels": {"stages.metio.wtf/stage": "one"}},
        "status": {"conditions": [{"type": "A", "status": "1"}, {"type": "Ready", "status": "2"}], "n": [1, 2, 3]},
    }
    for path, found in (
        ('.status.conditions[?(@.type=="Ready")].status', ["2"]),
        (".metadata.labels.stages\\.metio\\.wtf/stage", ["one"]),
        (".status.conditions[*].type", ["A", "Ready"]),
        (".status.n[1]", [2]),
        (".status.n[-1]", [3]),
        (".status.absent.x", []),
        (".metadata['labels']", [obj["metadata"]["labels"]]),
    ):
        assert jsonpath.find(obj, path) == found, path


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (600, "10m"), (10799, "179m"), (3 * 3600, "3h"),
     (3 * 3600 + 60, "3h1m"), (47 * 3600, "47h"), (49 * 3600, "2d1h"), (9 * 86400, "9d"), (800 * 86400, "2y")],
)  # fmt: skip
def test_ages(seconds: int, text: str) -> None:
    assert tables.age("2023-11-14T22:13:20Z", START + seconds) == text
