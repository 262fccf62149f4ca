"""What goes over the wire for each method of the port, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconciler.adapters.kubernetes import KubernetesCluster, Limits
from reconciler.errors import BadRequest, Gone, NoSuchKind, NotFound, Unavailable
from reconciler.ports.cluster import Ref, Scope
from tests.reconciler.adapters.kubernetes.scripted import (
    DEPLOYMENTS,
    TOKEN,
    Scripted,
    answer,
    client,
    connected,
    lines,
    refusal,
    reset,
    scripted,
    text,
)

Story = Callable[[Scripted, KubernetesCluster], Awaitable[None]]
WEB = Ref("apps/v1", "Deployment", "shop", "web")
PATH = "/apis/apps/v1/namespaces/shop/deployments"
WEB_PATH = f"{PATH}/web"
MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}}
LIVE = {**MANIFEST, "metadata": {**MANIFEST["metadata"], "uid": "u"}}  # type: ignore[dict-item]


def play(story: Story, limits: Limits | None = None) -> None:
    async def run() -> None:
        async with connected(limits) as (script, cluster):
            await story(script, cluster)

    asyncio.run(run())


def test_apply_is_a_server_side_apply_as_its_manager() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"PATCH {WEB_PATH}"] = answer(LIVE)
        assert await cluster.apply(MANIFEST, manager="stageset-controller") == LIVE
        request = script.asked[-1]
        assert dict(request.query) == {"fieldManager": "stageset-controller", "force": "true"}
        assert request.headers["Content-Type"] == "application/apply-patch+yaml"
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert json.loads(script.bodies[-1]) == MANIFEST
        await cluster.apply(MANIFEST, manager="m", force=False, dry_run=True)
        assert dict(script.asked[-1].query) == {"fieldManager": "m", "dryRun": "All"}

    play(story)


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
    ],
)
def test_patches_of_each_type(kind: Any, content_type: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"PATCH {WEB_PATH}/status"] = answer(LIVE)
        await cluster.patch(WEB, [{"op": "add"}], type=kind, manager="m", subresource="status", dry_run=True)
        assert script.asked[-1].headers["Content-Type"] == content_type
        assert dict(script.asked[-1].query) == {"fieldManager": "m", "dryRun": "All"}
        assert script.bodies[-1] == b'[{"op":"add"}]'

    play(story)


def test_create_get_replace_and_delete() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"POST {PATH}"] = answer(LIVE, code=201)
        script.on[f"GET {WEB_PATH}"] = script.on[f"PUT {WEB_PATH}"] = answer(LIVE)
        script.on[f"GET {WEB_PATH}/scale"] = answer({"kind": "Scale"})
        script.on[f"DELETE {WEB_PATH}"] = answer({"kind": "Status", "status": "Success"})
        assert await cluster.create(MANIFEST, dry_run=True) == LIVE
        assert dict(script.asked[-1].query) == {"fieldManager": "stageset-controller", "dryRun": "All"}
        assert await cluster.get(WEB) == LIVE
        assert await cluster.get(WEB, subresource="scale") == {"kind": "Scale"}
        assert await cluster.replace(LIVE) == LIVE
        await cluster.delete(WEB, uid="u", resource_version="7", cascade="Foreground")
        assert json.loads(script.bodies[-1]) == {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": "u", "resourceVersion": "7"},
        }
        await cluster.delete(WEB)
        assert "preconditions" not in json.loads(script.bodies[-1])

    play(story)


def test_version_proves_that_it_is_kubernetes() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on["GET /version"] = answer({"gitVersion": "v1.37.0", "major": "1"})
        assert (await cluster.version())["gitVersion"] == "v1.37.0"
        script.on["GET /version"] = answer({"hello": "world"})
        with pytest.raises(Unavailable, match="no Kubernetes API server"):
            await cluster.version()

    play(story)


def test_token_log_and_access_review() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        token = {"token": "minted", "expirationTimestamp": "2030-01-01T00:00:00Z"}
        script.on["POST /api/v1/namespaces/shop/serviceaccounts/deployer/token"] = answer({"status": token}, code=201)
        assert await cluster.token("shop", "deployer", expires_s=600) == ("minted", "2030-01-01T00:00:00Z")
        assert json.loads(script.bodies[-1])["spec"] == {"expirationSeconds": 600}
        script.on["GET /api/v1/namespaces/shop/pods/web-1/log"] = text("one\ntwo\n")
        assert await cluster.logs("shop", "web-1", container="app", tail_lines=2) == "one\ntwo\n"
        assert script.asked[-1].query["tailLines"] == "2"
        assert script.asked[-1].query["container"] == "app"
        review = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        script.on[review] = [answer({"status": {"allowed": True}}, code=201), answer({"status": {}}, code=201)]
        assert await cluster.allowed("patch", WEB, subresource="status")
        assert json.loads(script.bodies[-1])["spec"]["resourceAttributes"] == {
            "verb": "patch",
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "status",
            "namespace": "shop",
            "name": "web",
        }
        assert not await cluster.allowed("patch", Ref("v1", "Pod", "shop", ""))

    play(story)


def test_a_list_is_read_page_by_page_and_its_items_know_their_kind() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"GET {PATH}"] = [
            answer({"metadata": {"resourceVersion": "9", "continue": "next"}, "items": [{"metadata": {"name": "a"}}]}),
            answer({"metadata": {"resourceVersion": "9"}, "items": [{"metadata": {"name": "b"}}]}),
        ]
        found = await cluster.list(Scope("apps/v1", "Deployment", "shop", label_selector="a=b,c!=d"))
        assert found.resource_version == "9"
        assert [(item["kind"], item["apiVersion"], item["metadata"]["name"]) for item in found.items] == [
            ("Deployment", "apps/v1", "a"),
            ("Deployment", "apps/v1", "b"),
        ]
        assert dict(script.asked[-2].query) == {"limit": "500", "labelSelector": "a=b,c!=d"}
        assert script.asked[-1].query["continue"] == "next"

    play(story)


def test_a_continuation_that_expired_starts_the_list_again_once() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        first = answer({"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "stale"}}]})
        expired = refusal(410, "Expired", "The provided continue parameter is too old")
        whole = answer({"metadata": {"resourceVersion": "5"}, "items": [{"metadata": {"name": "a"}}]})
        script.on[f"GET {PATH}"] = [first, expired, whole]
        found = await cluster.list(Scope("apps/v1", "Deployment", "shop"))
        assert [item["metadata"]["name"] for item in found.items] == ["a"]
        script.on[f"GET {PATH}"] = [first, expired, first, expired, whole]
        with pytest.raises(Gone):
            await cluster.list(Scope("apps/v1", "Deployment", "shop"))

    play(story)


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"GET {PATH}"] = [
            answer({"metadata": {}, "items": [{"metadata": {"name": "x" * 5000}}]}),
            answer({"metadata": {"resourceVersion": "1"}, "items": []}),
        ]
        await cluster.list(Scope("apps/v1", "Deployment", "shop"))
        assert [request.query.get("limit") for request in script.asked[1:]] == ["500", "62"]

    play(story, Limits(response_bytes_max=1000))


def test_metadata_only_asks_for_metadata_and_keeps_the_real_kind() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        scope = Scope("apps/v1", "Deployment", "shop", metadata_only=True)
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}
        script.on[f"GET {PATH}"] = answer({"metadata": {"resourceVersion": "1"}, "items": [partial]})
        wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}
        assert (await cluster.list(scope)).items == [wanted]
        assert script.asked[-1].headers["Accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        script.on[f"GET {PATH}"] = lines(json.dumps({"type": "ADDED", "object": partial}).encode() + b"\n")
        assert [event async for event in cluster.watch(scope, resource_version="1")] == [("ADDED", wanted)]
        assert script.asked[-1].headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

    play(story)


def test_all_namespaces_and_cluster_scoped_kinds() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        empty = answer({"metadata": {"resourceVersion": "1"}, "items": None})
        script.on["GET /apis/apps/v1/deployments"] = script.on["GET /api/v1/namespaces"] = empty
        assert (await cluster.list(Scope("apps/v1", "Deployment"))).items == []
        assert (await cluster.list(Scope("v1", "Namespace", "ignored"))).items == []
        script.on["GET /api/v1/namespaces/shop"] = answer({"kind": "Namespace"})
        assert await cluster.get(Ref("v1", "Namespace", "", "shop")) == {"kind": "Namespace"}

    play(story)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a\nb"])
def test_a_name_from_a_manifest_cannot_leave_its_place_in_the_path(name: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        with pytest.raises(BadRequest):
            await cluster.get(WEB._replace(name=name))
        if name:
            with pytest.raises(BadRequest):
                await cluster.get(WEB._replace(namespace=name))
            with pytest.raises(BadRequest):
                await cluster.resource(f"apps/v1{name}" if "/" in name else f"{name}/v1", "Deployment")

    play(story)


def test_unusual_names_are_escaped() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"GET {PATH}/a b?c#d:é"] = refusal(404, "NotFound", "not found", name="x")
        with pytest.raises(NotFound):
            await cluster.get(WEB._replace(name="a b?c#d:é"))

    play(story)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"kind": "Deployment"}, "no apiVersion"),
        ({"apiVersion": "apps/v1"}, "no kind"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "x"}}, "no metadata.name"),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}}, "no metadata.namespace"),
    ],
)
def test_an_object_must_say_what_and_where_it_is(manifest: dict[str, Any], words: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        with pytest.raises(BadRequest, match=words):
            await cluster.apply(manifest, manager="m")

    play(story)


def test_discovery_is_asked_once_and_again_only_for_what_is_missing() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        found = await asyncio.gather(*(cluster.resource("apps/v1", "Deployment") for _ in range(20)))
        assert found[0].plural == "deployments"
        assert found[0].subresources == {"scale", "status"}
        assert script.count("GET /apis/apps/v1") == 1
        with pytest.raises(NoSuchKind, match='does not serve kind "Later" of "apps/v1"'):
            await cluster.resource("apps/v1", "Later")
        assert script.count("GET /apis/apps/v1") == 2
        later = {"name": "laters", "kind": "Later", "namespaced": False}
        script.on["GET /apis/apps/v1"] = answer({**DEPLOYMENTS, "resources": [later]})
        assert (await cluster.impersonating("somebody").resource("apps/v1", "Later")).plural == "laters"
        await cluster.resource("apps/v1", "Later")
        assert script.count("GET /apis/apps/v1") == 3
        with pytest.raises(NoSuchKind):
            await cluster.resource("unknown.example/v1", "Later")

    play(story)


def test_a_kind_that_was_removed_is_asked_for_again() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        await cluster.resource("apps/v1", "Deployment")
        with pytest.raises(NoSuchKind):
            await cluster.get(WEB)
        await cluster.resource("apps/v1", "Deployment")
        assert script.count("GET /apis/apps/v1") == 2

    play(story)


def test_discovery_that_makes_no_sense_is_an_unavailable_server() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on["GET /apis/apps/v1"] = answer({"resources": [{"name": 1}]})
        with pytest.raises(Unavailable, match="no APIResourceList"):
            await cluster.resource("apps/v1", "Deployment")

    play(story)


def test_a_broken_keep_alive_connection_is_hidden_where_repeating_is_harmless() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[f"PATCH {WEB_PATH}"] = [reset, answer(LIVE)]
        assert await cluster.apply(MANIFEST, manager="m") == LIVE
        script.on[f"GET {WEB_PATH}"] = [reset, answer(LIVE)]
        assert await cluster.get(WEB) == LIVE
        script.on[f"POST {PATH}"] = reset
        with pytest.raises(Unavailable, match="whether it acted is not known"):
            await cluster.create(MANIFEST)
        assert script.count(f"POST {PATH}") == 1
        script.on[f"PATCH {WEB_PATH}"] = reset
        with pytest.raises(Unavailable):
            await cluster.patch(WEB, {}, type="merge")
        with pytest.raises(Unavailable):
            await cluster.apply(MANIFEST, manager="m")

    play(story)


def test_no_more_requests_than_the_limit_are_in_flight() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        running = most = 0
        release = asyncio.Event()

        async def slow(request: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if most == 3:
                asyncio.get_running_loop().call_later(0.05, release.set)
            await release.wait()
            running -= 1
            return await answer(LIVE)(request)

        script.on[f"GET {WEB_PATH}"] = slow
        await asyncio.gather(*(cluster.get(WEB) for _ in range(12)))
        assert most == 3

    play(story, Limits(concurrent_max=3))


def test_a_closed_cluster_asks_nothing_more() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        derived = cluster.impersonating("somebody")
        script.on["GET /version"] = answer({"gitVersion": "v1"})
        await derived.version()
        await derived.close()
        with pytest.raises(Unavailable, match="closed"):
            await derived.version()
        await cluster.version()  # closing a derived identity leaves the shared connections
        await cluster.close()
        with pytest.raises(Unavailable, match="closed"):
            await cluster.version()

    play(story)


def test_a_server_that_is_not_there_is_named() -> None:
    async def run() -> None:
        async with scripted() as script:
            port = script.port
        cluster = client(port)
        with pytest.raises(Unavailable, match=rf"http://127.0.0.1:{port} .*GET /version.*refused"):
            await cluster.version()
        await cluster.close()

    asyncio.run(run())
