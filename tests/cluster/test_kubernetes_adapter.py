"""The Kubernetes adapter and the shared watches against a real API server: what only a real one does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reconciler.adapters.kubernetes import KubernetesCluster, Limits, ServiceAccountToken, from_kubeconfig
from reconciler.adapters.watches import Key, Watches, WatchSettings
from reconciler.errors import (
    AlreadyExists,
    BadRequest,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NoSuchKind,
    NotFound,
    Unauthorized,
)
from reconciler.ports.cluster import Ref, Scope
from tests.controlplane.cluster import ControlPlane

Story = Callable[[KubernetesCluster], Awaitable[None]]


@asynccontextmanager
async def connected(plane: ControlPlane, limits: Limits | None = None) -> AsyncIterator[KubernetesCluster]:
    cluster = await from_kubeconfig(str(plane.kubeconfig), jitter=lambda: 0.0, limits=limits or Limits())
    try:
        yield cluster
    finally:
        await cluster.close()


def play(plane: ControlPlane, story: Story, limits: Limits | None = None) -> None:
    async def run() -> None:
        async with connected(plane, limits) as cluster, asyncio.timeout(60):
            await story(cluster)

    asyncio.run(run())


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def ref(namespace: str, name: str) -> Ref:
    return Ref("v1", "ConfigMap", namespace, name)


async def service_account(cluster: KubernetesCluster, namespace: str, *verbs: str) -> KubernetesCluster:
    """A ServiceAccount that may do `verbs` to ConfigMaps of its namespace, and its identity."""
    group = "rbac.authorization.k8s.io"
    metadata = {"namespace": namespace, "name": "deployer"}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}]
    subject = {"kind": "ServiceAccount", **metadata}
    role = {"apiGroup": group, "kind": "Role", "name": "deployer"}
    for obj in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": role,
            "subjects": [subject],
        },
    ):
        await cluster.apply(obj, manager="test")
    tokens = ServiceAccountToken(cluster, namespace, "deployer", now=time.time)
    return cluster.as_service_account(tokens, name=f"ServiceAccount {namespace}/deployer")


def test_the_life_of_an_object(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        assert (await cluster.version())["gitVersion"].startswith("v1.")
        made = await cluster.apply(config_map(namespace, "a", x="1"), manager="one")
        assert made["metadata"]["managedFields"][0]["manager"] == "one"
        with pytest.raises(Conflict) as conflict:
            await cluster.apply(config_map(namespace, "a", x="2"), manager="two", force=False)
        assert conflict.value.causes[0]["field"] == ".data.x"
        dry = await cluster.apply(config_map(namespace, "a", x="2"), manager="two", dry_run=True)
        assert dry["data"] == {"x": "2"}
        assert (await cluster.get(ref(namespace, "a")))["data"] == {"x": "1"}
        with pytest.raises(AlreadyExists):
            await cluster.create(config_map(namespace, "a"))
        stale = {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}}
        with pytest.raises(Conflict):
            await cluster.replace(stale)
        await cluster.patch(ref(namespace, "a"), {"data": {"y": "2"}}, type="merge", manager="m")
        op = [{"op": "remove", "path": "/data/y"}]
        assert (await cluster.patch(ref(namespace, "a"), op, type="json"))["data"] == {"x": "1"}
        await cluster.patch(ref(namespace, "a"), {"data": {"z": "3"}}, type="strategic")
        with pytest.raises(Conflict):
            await cluster.delete(ref(namespace, "a"), uid="another")
        await cluster.delete(ref(namespace, "a"), uid=made["metadata"]["uid"])
        with pytest.raises(NotFound):
            await cluster.delete(ref(namespace, "a"))

    play(control_plane, story)


def test_refusals_become_their_leaves(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        for error, attempt in (
            (Invalid, cluster.create(config_map(namespace, "Not_a_name"))),
            (NotFound, cluster.create(config_map("no-such-namespace", "a"))),
            (NotFound, cluster.get(ref(namespace, "a"))),
            (NoSuchKind, cluster.get(Ref("example.com/v1", "Widget", namespace, "a"))),
            (NoSuchKind, cluster.get(Ref("v1", "Widget", namespace, "a"))),
            (BadRequest, cluster.apply({**config_map(namespace, "a"), "data": {"a": 1}}, manager="m")),
            (BadRequest, cluster.logs(namespace, "a", tail_lines=-1)),
        ):
            with pytest.raises(ClusterError) as raised:
                await attempt
            # A failed conversion is 400 or 422 or 500, depending on where the server notices.
            if error is not BadRequest:
                assert type(raised.value) is error, raised.value
            assert raised.value.message

    play(control_plane, story)


def test_no_value_of_a_secret_in_what_the_server_refuses(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        metadata = {"namespace": namespace, "name": "s"}
        for data in ({"password": "not-base64-hunter2"}, {"password": 4711471147}, {"password": {"k": "hunter2-deep"}}):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
            for attempt in (cluster.apply(secret, manager="m"), cluster.create(secret)):
                with pytest.raises(ClusterError) as raised:
                    await attempt
                shown = raised.value.message + str(raised.value.status)
                assert "hunter2" not in shown
                assert "4711" not in shown

    play(control_plane, story)


def test_lists_are_paged_and_metadata_is_enough(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        await asyncio.gather(*(cluster.create(config_map(namespace, f"m{i}", x="y")) for i in range(7)))
        scope = Scope("v1", "ConfigMap", namespace, field_selector="metadata.name!=kube-root-ca.crt")
        listed = await cluster.list(scope)
        assert [(item["kind"], item["data"]) for item in listed.items] == [("ConfigMap", {"x": "y"})] * 7
        partial = await cluster.list(scope._replace(metadata_only=True))
        assert [set(item) for item in partial.items] == [{"apiVersion", "kind", "metadata"}] * 7
        assert partial.items[0]["kind"] == "ConfigMap"

    play(control_plane, story, Limits(page_items_max=3))


def test_a_watch_goes_on_from_a_position_and_ends(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        scope = Scope("v1", "ConfigMap", namespace)
        position = (await cluster.list(scope)).resource_version
        await cluster.create(config_map(namespace, "a"))
        await cluster.delete(ref(namespace, "a"))
        seen = []
        watch = cluster.watch(scope, resource_version=position)
        async for event in watch:
            seen.append((event.type, event.object["metadata"].get("name", "")))
            if len(seen) == 2:
                break
        await watch.aclose()
        assert seen == [("ADDED", "a"), ("DELETED", "a")]
        ended = [event.type async for event in cluster.watch(scope, resource_version=position)]
        assert ended[:2] == ["ADDED", "DELETED"]
        assert set(ended[2:]) <= {"BOOKMARK"}

    play(control_plane, story, Limits(watch_s=1))


def test_a_service_account_may_do_what_its_role_says_and_no_more(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        tenant = await service_account(cluster, namespace, "create", "patch", "get")
        impersonated = cluster.impersonating(f"system:serviceaccount:{namespace}:deployer")
        for identity in (tenant, impersonated):
            await identity.apply(config_map(namespace, "a"), manager="m")
            assert await identity.allowed("patch", ref(namespace, "a"))
            assert not await identity.allowed("delete", ref(namespace, "a"))
            with pytest.raises(Forbidden, match=f'User "system:serviceaccount:{namespace}:deployer" cannot delete'):
                await identity.delete(ref(namespace, "a"))
        assert await cluster.allowed("delete", ref(namespace, ""), subresource="")

    play(control_plane, story)


def test_a_token_that_is_not_accepted_is_minted_again(control_plane: ControlPlane, namespace: str) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        class Stale:
            def __init__(self, good: str) -> None:
                self.tokens = ["no-token", good]

            async def token(self) -> str:
                return self.tokens[0]

            def refused(self, token: str) -> None:
                self.tokens.pop(0)

        good, _ = await cluster.token(namespace, "default", expires_s=600)
        assert await cluster.as_service_account(Stale(good), name="default").version()
        with pytest.raises(Forbidden):
            await cluster.as_service_account(Stale(good), name="default").list(Scope("v1", "Secret", namespace))
        with pytest.raises(Unauthorized, match="does not accept the credential of stale"):
            await cluster.as_service_account(Stale("no-token-either"), name="stale").version()

    play(control_plane, story)


def test_shared_watches_follow_objects_and_poll_where_watching_is_forbidden(
    control_plane: ControlPlane, namespace: str
) -> None:
    async def story(cluster: KubernetesCluster) -> None:
        tenant = await service_account(cluster, namespace, "get")
        scope = Scope("v1", "ConfigMap", namespace)
        settings = WatchSettings(poll_s=0.1)
        for identity, mode in ((cluster, "watching"), (tenant, "polling")):
            watches = Watches(identity, jitter=lambda: 0.5, settings=settings)
            key = Key(namespace, f"{mode}-one")
            async with watches.subscribe(scope, keys=[key]) as subscription:
                assert await anext(subscription) == (key, None)
                await cluster.create(config_map(namespace, key.name, x="1"))
                change = await anext(subscription)
                assert change.object is not None
                assert change.object["data"] == {"x": "1"}
                await cluster.delete(ref(namespace, key.name))
                assert await anext(subscription) == (key, None)
                assert [report.mode for report in watches.report()] == [mode]
            await watches.close()

    play(control_plane, story)
