"""Requests take turns by tenant, and a tenant that the server has no room for waits without holding up others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import web

from reconciler.adapters.fair import working_for
from reconciler.adapters.kubernetes import KubernetesCluster, Limits
from reconciler.errors import TooManyRequests
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.kubernetes.scripted import Scripted, answer, refusal, status
from tests.reconciler.adapters.kubernetes.test_cluster import play


def path(namespace: str, name: str) -> str:
    return f"GET /api/v1/namespaces/{namespace}/configmaps/{name}"


def config(namespace: str, name: str) -> Any:
    return answer({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}})


async def get(cluster: KubernetesCluster, namespace: str, name: str, *, tenant: str | None = None) -> None:
    working_for(namespace if tenant is None else tenant)
    await cluster.get(Ref("v1", "ConfigMap", namespace, name))


def task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.ensure_future(work)


def test_a_crowd_of_requests_lets_another_tenants_one_pass() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        names = [f"c{number}" for number in range(40)]
        for namespace, name in (*(("crowd", name) for name in names), ("alone", "one")):
            script.on[path(namespace, name)] = config(namespace, name)
        await get(cluster, "crowd", "c0")
        began = len(script.asked)
        crowd = [task(get(cluster, "crowd", name)) for name in names]
        await asyncio.sleep(0)
        await task(get(cluster, "alone", "one"))
        # Those that were under way already, and one turn of the crowd for each place.
        assert len(script.asked) - began <= 2 * 2 + 1
        await asyncio.gather(*crowd)

    play(story, limits=Limits(concurrent_max=2))


def test_a_tenant_that_was_sent_away_rests_and_others_do_not() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        for namespace in ("busy", "alone"):
            script.on[path(namespace, "one")] = config(namespace, "one")
        slow = answer(status(429, "TooManyRequests", "slow down"), code=429, headers={"Retry-After": "600"})
        script.on[path("busy", "no")] = slow
        with pytest.raises(TooManyRequests) as raised:
            await task(get(cluster, "busy", "no"))
        assert raised.value.retry_after_s == 600
        resting = task(get(cluster, "busy", "one"))
        await task(get(cluster, "alone", "one"))
        # The controller's own work goes on, whatever it was sent away with.
        with pytest.raises(TooManyRequests):
            await task(get(cluster, "busy", "no", tenant=""))
        await task(get(cluster, "busy", "one", tenant=""))
        assert not resting.done()
        assert script.count(path("busy", "one")) == 1
        # No longer than the limit says, though.
        await asyncio.wait_for(resting, 5)

    play(story, limits=Limits(rest_s_max=0.3))


def test_a_refusal_without_a_pause_holds_nothing_back() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[path("busy", "no")] = refusal(429, "TooManyRequests", "slow down")
        for _ in range(3):
            with pytest.raises(TooManyRequests):
                await task(get(cluster, "busy", "no"))

    play(story)


def test_closing_lets_those_who_rest_go() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def gone(_: web.Request) -> web.StreamResponse:
            raise AssertionError("asked after the end")

        slow = answer(status(429, "TooManyRequests", "slow down"), code=429, headers={"Retry-After": "600"})
        script.on[path("busy", "no")] = slow
        script.on[path("busy", "one")] = gone
        with pytest.raises(TooManyRequests):
            await task(get(cluster, "busy", "no"))
        resting = task(get(cluster, "busy", "one"))
        await asyncio.sleep(0)
        await cluster.close()
        with pytest.raises(Exception, match="closed"):
            await resting

    play(story)
