"""Watches: what a server may send, cut off, hold back or never say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from reconciler.adapters.kubernetes import KubernetesCluster, Limits
from reconciler.errors import ClusterError, Forbidden, Gone, NoSuchKind, Unavailable
from reconciler.ports.cluster import Scope
from tests.reconciler.adapters.kubernetes.scripted import TOKEN, Scripted, lines, refusal, reset, status
from tests.reconciler.adapters.kubernetes.test_cluster import PATH, play

SCOPE = Scope("apps/v1", "Deployment", "shop", field_selector="metadata.name=web")
GET = f"GET {PATH}"


def event(kind: str, name: str, **more: Any) -> bytes:
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, **more}
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def read(cluster: KubernetesCluster) -> list[tuple[str, str]]:
    return [(e.type, e.object["metadata"]["name"]) async for e in cluster.watch(SCOPE, resource_version="7")]


def test_events_arrive_however_they_are_cut() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        stream = (
            event("ADDED", "a") + event("MODIFIED", "b" * 5000) + b"\n" + event("BOOKMARK", "") + event("DELETED", "a")
        )
        wanted = [("ADDED", "a"), ("MODIFIED", "b" * 5000), ("BOOKMARK", ""), ("DELETED", "a")]
        for size in (1000, 37, len(stream)):
            script.on[GET] = lines(*(stream[at : at + size] for at in range(0, len(stream), size)))
            assert await read(cluster) == wanted
        assert dict(script.asked[-1].query) == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": "7",
            "timeoutSeconds": "300",
            "fieldSelector": "metadata.name=web",
        }

    play(story)


def test_a_last_line_that_was_cut_off_is_dropped() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = lines(event("ADDED", "a") + event("MODIFIED", "a")[:-10])
        assert await read(cluster) == [("ADDED", "a")]

    play(story)


@pytest.mark.parametrize("in_stream", [True, False])
def test_gone_in_the_stream_or_instead_of_it(in_stream: bool) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        gone = status(410, "Expired", "too old resource version: 7 (9)")
        error = json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"
        script.on[GET] = lines(event("ADDED", "a") + error) if in_stream else refusal(410, "Expired", gone["message"])
        with pytest.raises(Gone, match="too old resource version") as raised:
            await read(cluster)
        assert raised.value.status["code"] == 410

    play(story)


def test_other_errors_in_the_stream_keep_their_leaf() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        body = status(500, "InternalError", "etcd is unhappy")
        script.on[GET] = lines(json.dumps({"type": "ERROR", "object": body}).encode() + b"\n")
        with pytest.raises(Unavailable, match="etcd is unhappy"):
            await read(cluster)
        script.on[GET] = refusal(403, "Forbidden", "deployments is forbidden")
        with pytest.raises(Forbidden):
            await read(cluster)
        script.on[GET] = refusal(404, "NotFound", "the server could not find the requested resource")
        with pytest.raises(NoSuchKind):
            await read(cluster)

    play(story)


@pytest.mark.parametrize(
    "line", [b"<html>\n", b'{"type":"ADDED"}\n', b'{"type":"NEW","object":{}}\n', b"[" * 9000 + b"\n"]
)
def test_nonsense_is_an_unavailable_server(line: bytes) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = lines(line)
        with pytest.raises(Unavailable, match="WATCH Deployment in shop"):
            await read(cluster)

    play(story)


def test_an_event_that_never_ends_is_given_up() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = lines(*[b"x" * 4096] * 10, then=script.stop.wait)
        with pytest.raises(Unavailable, match="more than 10000 bytes"):
            await read(cluster)
        script.stop.set()

    play(story, Limits(event_bytes_max=10_000))


def test_a_half_open_watch_is_given_up_a_margin_after_its_end() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = lines(event("ADDED", "a"), then=script.stop.wait)
        with pytest.raises(Unavailable, match=r"no complete answer within 1\.05 s"):
            await read(cluster)
        assert script.asked[-1].query["timeoutSeconds"] == "1"
        script.stop.set()

    play(story, Limits(watch_s=1, watch_margin_s=0.05))


def test_a_reset_connection_is_an_unavailable_server() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def cut(request: Any) -> Any:
            from aiohttp import web

            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(event("ADDED", "a"))
            await reset(request)
            return response

        script.on[GET] = cut
        watch = cluster.watch(SCOPE, resource_version="7")
        assert (await anext(watch)).type == "ADDED"
        with pytest.raises(Unavailable, match="WATCH Deployment in shop"):
            await anext(watch)

    play(story)


@pytest.mark.parametrize("which", ["derived", "root"])
def test_closing_ends_a_watch_quietly(which: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        derived = cluster.impersonating("somebody")
        script.on[GET] = lines(event("ADDED", "a"), then=script.stop.wait)
        watch = derived.watch(SCOPE, resource_version="7")
        assert (await anext(watch)).type == "ADDED"
        waiting = asyncio.create_task(anext(watch, None))
        await asyncio.sleep(0)
        await (derived if which == "derived" else cluster).close()
        assert await waiting is None

    play(story)


def test_a_watch_that_nobody_reads_any_more_lets_go_of_its_connection() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        left = asyncio.Event()

        async def watched(request: Any) -> Any:
            try:
                return await lines(event("ADDED", "a"), then=script.stop.wait)(request)
            finally:
                left.set()

        script.on[GET] = watched
        watch = cluster.watch(SCOPE, resource_version="7")
        await anext(watch)
        await watch.aclose()
        script.stop.set()
        await asyncio.wait_for(left.wait(), 5)

    play(story)


def test_watches_do_not_take_the_slots_of_requests() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = lines(event("ADDED", "a"), then=script.stop.wait)
        watches = [cluster.watch(SCOPE, resource_version="7") for _ in range(5)]
        for watch in watches:
            await anext(watch)
        with pytest.raises(ClusterError):
            await cluster.version()
        for watch in watches:
            await watch.aclose()
        script.stop.set()

    play(story, Limits(concurrent_max=1))


def test_no_token_in_an_error_event_is_repeated() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        body = status(500, "InternalError", f"saw {TOKEN}")
        script.on[GET] = lines(json.dumps({"type": "ERROR", "object": body}).encode() + b"\n")
        with pytest.raises(Unavailable) as raised:
            await read(cluster)
        assert TOKEN not in raised.value.message + str(raised.value.status)

    play(story)
