"""Every answer that is not a success becomes the right leaf, and none of them repeats a secret."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.kubernetes import KubernetesCluster, Limits
from reconciler.errors import ClusterError, Forbidden, NoSuchKind, TooManyRequests, Unauthorized, Unavailable
from reconciler.ports.cluster import Ref
from tests.reconciler.adapters.kubernetes.scripted import TOKEN, Scripted, answer, refusal, status, text
from tests.reconciler.adapters.kubernetes.test_cluster import LIVE, MANIFEST, WEB, WEB_PATH, play

GET = f"GET {WEB_PATH}"


@pytest.mark.parametrize(
    ("code", "reason", "leaf"),
    [
        (400, "BadRequest", errors.BadRequest),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (405, "MethodNotAllowed", errors.BadRequest),
        (408, "Timeout", errors.Unavailable),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Gone),
        (413, "RequestEntityTooLarge", errors.BadRequest),
        (415, "UnsupportedMediaType", errors.BadRequest),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.Unavailable),
        (501, "NotImplemented", errors.Unsupported),
        (503, "ServiceUnavailable", errors.Unavailable),
        (504, "Timeout", errors.Unavailable),
    ],
)
def test_a_status_is_kept_verbatim_in_its_leaf(code: int, reason: str, leaf: type[ClusterError]) -> None:
    body = status(code, reason, "the server's words", name="web", causes=[{"reason": "x", "field": "spec"}])

    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = answer(body, code=code)
        with pytest.raises(ClusterError) as raised:
            await cluster.get(WEB)
        assert type(raised.value) is leaf
        assert raised.value.message == "the server's words"
        assert raised.value.status == body
        assert raised.value.causes == [{"reason": "x", "field": "spec"}]

    play(story)


def test_an_unknown_path_is_no_missing_object() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = refusal(404, "NotFound", "the server could not find the requested resource")
        with pytest.raises(NoSuchKind):
            await cluster.get(WEB)

    play(story)


def test_what_a_proxy_says_is_quoted_and_cut() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = text(f"<html>\n\x1b[31mBad {TOKEN}  Gateway" + "x" * 5000, code=502)
        with pytest.raises(Unavailable) as raised:
            await cluster.get(WEB)
        assert f"127.0.0.1:{script.port} answered 502 to GET Deployment shop/web" in raised.value.message
        assert "<html> [31mBad *** Gatewayxxx" in raised.value.message
        assert len(raised.value.message) < 400
        script.on[GET] = text("", code=503)
        with pytest.raises(Unavailable, match="empty body"):
            await cluster.get(WEB)

    play(story)


@pytest.mark.parametrize("body", ["<html>login</html>", '{"a": ', '"a string"', "[1]", "[" * 50_000, '"\udcff"'])
def test_a_success_that_is_no_object_is_an_unavailable_server_and_not_quoted(body: str) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def handler(_: Any) -> Any:
            from aiohttp import web

            return web.Response(body=body.encode("utf-8", "surrogateescape"))

        script.on[GET] = handler
        with pytest.raises(Unavailable) as raised:
            await cluster.get(WEB)
        assert "login" not in raised.value.message
        assert "GET Deployment shop/web" in raised.value.message

    play(story)


def test_a_redirect_is_not_followed() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on["GET /stolen"] = answer(LIVE)
        script.on[GET] = text("", code=302, headers={"Location": "/stolen"})
        with pytest.raises(Unavailable, match="answered 302"):
            await cluster.get(WEB)
        assert script.count("GET /stolen") == 0

    play(story)


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {"retryAfterSeconds": 2}, 2.0),
        ({"Retry-After": "99999999"}, {}, 3600.0),
        ({"Retry-After": "-1"}, {}, 0.0),
        ({}, {"retryAfterSeconds": "soon"}, 0.0),
    ],
)
def test_the_pause_that_a_server_asks_for_is_reported(headers: Any, details: Any, seconds: float) -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = answer(status(429, "TooManyRequests", "slow down", **details), code=429, headers=headers)
        with pytest.raises(TooManyRequests) as raised:
            await cluster.get(WEB)
        assert raised.value.retry_after_s == seconds
        assert script.count(GET) == 1

    play(story)


def test_a_pause_is_reported_without_a_status_too() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = text("overloaded", code=503, headers={"Retry-After": "4"})
        with pytest.raises(Unavailable) as raised:
            await cluster.get(WEB)
        assert raised.value.retry_after_s == 4.0

    play(story)


def test_a_huge_body_is_not_read() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def endless(request: Any) -> Any:
            from aiohttp import web

            response = web.StreamResponse()
            await response.prepare(request)
            while not script.stop.is_set():
                await response.write(b"x" * 65536)
            return response

        script.on[GET] = text("x" * 20_000)
        with pytest.raises(Unavailable, match="more than 10000 bytes"):
            await cluster.get(WEB)
        script.on[GET] = endless
        with pytest.raises(Unavailable, match="more than 10000 bytes"):
            await cluster.get(WEB)

    play(story, Limits(response_bytes_max=10_000))


def test_a_slow_answer_is_given_up() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        async def never(_: Any) -> Any:
            await script.stop.wait()

        script.on[GET] = never
        with pytest.raises(Unavailable, match=r"GET Deployment shop/web: no complete answer within 0.5 s"):
            await cluster.get(WEB)
        script.stop.set()

    play(story, Limits(request_s=0.5))


def test_401_names_who_was_not_believed() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = refusal(401, "Unauthorized", "Unauthorized")
        with pytest.raises(Unauthorized, match=r"does not accept the credential of context test \(Unauthorized\)"):
            await cluster.get(WEB)
        assert script.count(GET) == 1

    play(story)


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "shop"},
    "data": {"password": base64.b64encode(b"hunter2-long").decode(), "pin": 4711},
    "stringData": {"note": 'line one\nline "two"', "short": "ab"},
}


@pytest.mark.parametrize(
    "said",
    [
        "cannot handle hunter2-long as base64",
        f"bad value {base64.b64encode(b'hunter2-long').decode()}",
        "got &value.valueUnstructured{Value:4711}",
        'invalid: "line one\\nline \\"two\\""',
        'only the end: line "two"',
        "short: ab!",
        f"header was Bearer {TOKEN}",
    ],
)
def test_no_value_of_a_secret_and_no_token_comes_back_in_an_error(said: str) -> None:
    leaked = ["hunter2-long", "aHVudGVy", "4711", "two", " ab!", TOKEN]

    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        body = status(422, "Invalid", said, name="s", causes=[{"message": said, "field": said}])
        script.on["PATCH /api/v1/namespaces/shop/secrets/s"] = answer(body, code=422)
        script.on["POST /api/v1/namespaces/shop/secrets"] = text(said, code=500)
        ref = Ref("v1", "Secret", "shop", "s")
        op = [{"op": "add", "path": "/data", "value": {**SECRET["data"], **SECRET["stringData"]}}]  # type: ignore[dict-item]
        for attempt in (
            cluster.apply(SECRET, manager="m"),
            cluster.create(SECRET),
            cluster.patch(ref, SECRET, type="merge"),
            cluster.patch(ref, op, type="json"),
        ):
            with pytest.raises(ClusterError) as raised:
                await attempt
            shown = json.dumps(raised.value.status) + "".join(traceback.format_exception(raised.value))
            assert "***" in shown
            assert [value for value in leaked if value in shown] == []

    play(story)


def test_what_is_no_secret_is_not_masked() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        manifest = {**MANIFEST, "data": {"key": "visible"}}
        script.on[f"PATCH {WEB_PATH}"] = refusal(403, "Forbidden", "visible is forbidden", name="web")
        with pytest.raises(Forbidden, match="visible is forbidden"):
            await cluster.apply(manifest, manager="m")

    play(story)


def test_a_body_that_is_too_large_while_streamed_ends_the_connection() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        script.on[GET] = [text("x" * 20_000), answer(LIVE)]
        with pytest.raises(Unavailable):
            await cluster.get(WEB)
        assert await cluster.get(WEB) == LIVE

    play(story, Limits(response_bytes_max=10_000))


def test_cancelling_a_request_lets_go_of_its_slot() -> None:
    async def story(script: Scripted, cluster: KubernetesCluster) -> None:
        reached = asyncio.Event()

        async def never(_: Any) -> Any:
            reached.set()
            await script.stop.wait()

        script.on[GET] = [never, answer(LIVE)]
        task = asyncio.create_task(cluster.get(WEB))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await cluster.get(WEB) == LIVE
        script.stop.set()

    play(story, Limits(concurrent_max=1))
