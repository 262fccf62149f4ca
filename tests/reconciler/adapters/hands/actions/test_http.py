"""An http action against real servers: each outcome with its sentence, at most one request, and no secret anywhere."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from aiohttp import web

from reconciler import errors
from reconciler.adapters.clusters import Hand
from reconciler.adapters.hands.actions import http
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.requests import Caller, CallLimits
from reconciler.api.types import Action
from reconciler.compute.urlguard import Guard
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer, Target
from tests.reconciler.adapters.requests.serving import (
    Names,
    Server,
    answers,
    free_port,
    raw_serving,
    redirects,
    resets,
    serving,
    silent,
    writes,
)

KEY = "5e" * 32
CANARY = 'canary "7f3a9c" & <value>'
NOW_MS = 1_900_000_000_000


class Secrets:
    """The stage's identity on a cluster that has Secrets, and nothing else."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.error: Exception | None = None
        self.read: list[Ref] = []

    def add(self, name: str, **data: str | bytes) -> None:
        raw = {
            key.replace("_", "-"): value.encode() if isinstance(value, str) else value for key, value in data.items()
        }
        self.found[name] = {"data": {key: base64.b64encode(value).decode() for key, value in raw.items()}}

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        self.read.append(ref)
        if self.error is not None:
            raise self.error
        if ref.name not in self.found:
            raise errors.NotFound(f'secrets "{ref.name}" not found')
        found: Object = self.found[ref.name]
        return found


class ToolsOfHttp:
    """`Tools`, as far as an http action uses them."""

    def __init__(self, caller: Caller) -> None:
        self.caller = self.clock = caller
        self.clock = self

    def now_ms(self) -> int:
        return NOW_MS


class Bench:
    def __init__(self, server: Server, caller: Caller, names: Names) -> None:
        self.server, self.caller, self.names, self.secrets = server, caller, names, Secrets()

    async def perform(
        self, path: str = "/", *, first: bool = True, deadline_ms: int = NOW_MS + 20_000, **fields: Any
    ) -> Answer:
        action = {"name": "call", "http": {"url": self.server.url(path), **fields}}
        tools: Any = ToolsOfHttp(self.caller)
        cluster: Any = self.secrets
        nothing: Any = None
        return await http.perform(
            Acting(
                tools=tools, target=Target("shop", "rel", "0a1b2c3d"), spec=nothing, stage="db", hook="post",
                action=msgspec.convert(action, Action), key=KEY, pin=None, first=first, seen=(), earlier=(),
                deadline_ms=deadline_ms, hand=Hand(cluster, nothing), report=nothing,
            )
        )  # fmt: skip

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"


def run(
    server: Any,
    check: Callable[[Bench], Awaitable[None]],
    *,
    allowed: tuple[str, ...] = ("127.0.0.1", "other.test"),
    limits: CallLimits | None = None,
) -> None:
    async def main() -> None:
        names = Names(other_test=["127.0.0.1"])
        guard = Guard.of(allowed, flag="--allowed-action-hosts", narrow=True)
        async with server as up, Caller(guard, limits=limits, resolver=lambda: names) as caller:
            await check(Bench(up, caller, names))

    asyncio.run(main())


def told(answer: Answer) -> tuple[str, str, bool]:
    return answer.outcome, answer.event.reason, answer.event.retryable


def everything(answer: Answer) -> str:
    return json.dumps(msgspec.to_builtins(answer.event), ensure_ascii=False)


def test_a_post_with_its_key() -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform("/hook?x=1", body='{"a": 1}')
        assert (answer.outcome, answer.event.message) == ("ok", f"a POST to {bench.host} was answered with 201 Created")
        (seen,) = bench.server.log
        assert (seen.method, seen.path, seen.body) == ("POST", "/hook?x=1", b'{"a": 1}')
        assert seen.headers["Idempotency-Key"] == KEY
        assert not bench.secrets.read

    run(serving({"/hook": answers(201)}), check)


def test_body_and_headers_of_secrets() -> None:
    async def check(bench: Bench) -> None:
        bench.secrets.add("s", body=b"\xff\x00", Authorization="Bearer abc", X_Many="first")
        bench.secrets.add("t", x_many="second", idempotency_key="mine")
        keys = [("s", "Authorization"), ("s", "X-Many"), ("t", "x-many"), ("t", "idempotency-key")]
        answer = await bench.perform(
            body="loses",
            bodyFrom={"name": "s", "key": "body"},
            headersFrom=[{"name": name, "key": key} for name, key in keys],
            method="PUT",
        )
        assert answer.outcome == "ok"
        (seen,) = bench.server.log
        headers = {name.lower(): value for name, value in seen.headers.items()}
        assert (seen.method, seen.body) == ("PUT", b"\xff\x00")
        assert headers["authorization"] == "Bearer abc"
        assert (headers["x-many"], headers["idempotency-key"]) == ("second", "mine")
        assert bench.secrets.read[0] == Ref("v1", "Secret", "shop", "s")

    run(serving({"/": answers()}), check)


def test_userinfo_is_basic_authentication() -> None:
    async def check(bench: Bench) -> None:
        url = bench.server.url("/").replace("http://", "http://anna:pass%2F1234@")
        answer = await bench.perform(url=url)
        assert told(answer) == ("failed", "BadStatus", False)
        (seen,) = bench.server.log
        assert seen.headers["Authorization"] == "Basic " + base64.b64encode(b"anna:pass/1234").decode()
        assert "pass" not in everything(answer).replace("passed", "")
        bench.secrets.add("s", authorization="Bearer abc")
        await bench.perform(url=url, headersFrom=[{"name": "s", "key": "authorization"}])
        headers = {name.lower(): value for name, value in bench.server.log[1].headers.items()}
        assert headers["authorization"] == "Bearer abc"

    run(serving({"/": answers(401, b"not pass/1234")}), check)


@pytest.mark.parametrize(
    ("status", "expected", "outcome"),
    [
        (200, [], ("ok", "", True)),
        (204, [], ("ok", "", True)),
        (404, [404], ("ok", "", True)),
        (504, [504], ("ok", "", True)),
        (200, [201, 202], ("failed", "BadStatus", True)),
        (304, [], ("failed", "BadStatus", True)),
        (400, [], ("failed", "BadStatus", False)),
        (404, [], ("failed", "BadStatus", False)),
        (408, [], ("failed", "BadStatus", True)),
        (429, [], ("failed", "BadStatus", True)),
        (500, [], ("failed", "BadStatus", True)),
        (503, [], ("failed", "BadStatus", True)),
        (599, [], ("failed", "BadStatus", True)),
        (502, [], ("indeterminate", "Indeterminate", False)),
        (504, [], ("indeterminate", "Indeterminate", False)),
    ],
)
def test_statuses(status: int, expected: list[int], outcome: tuple[str, str, bool]) -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform(expectedStatus=expected)
        assert told(answer)[:2] == outcome[:2]
        assert f"POST to {bench.host} was answered with {status}" in answer.event.message
        if outcome[0] != "ok":
            assert answer.event.retryable is outcome[2]
            assert answer.event.evidence["status"] == status
        if status in (502, 504) and not expected:
            for repeatable in ({"method": "GET"}, {"method": "HEAD"}, {"idempotent": True}):
                assert told(await bench.perform(**repeatable)) == ("failed", "BadStatus", True)
            assert told(await bench.perform(method="PUT"))[0] == "indeterminate"

    run(serving({"/": answers(status)}), check)


def test_the_sentence_and_the_evidence_of_a_status() -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform("/x?token=1")
        assert answer.event.message == (
            f"a POST to {bench.host} was answered with 422 Unprocessable Entity, and a 2xx status was expected: see "
            f"what {bench.host} says"
        )
        assert answer.event.evidence == {
            "method": "POST",
            "url": bench.server.url("/x"),
            "status": 422,
            "contentType": "text/plain; charset=utf-8",
            "excerpt": "no such field",
        }
        assert "and 200, 201 was expected" in (await bench.perform("/x", expectedStatus=[201, 200])).event.message

    run(serving({"/x": answers(422, b"no such field", Content_Type="text/plain; charset=utf-8")}), check)


def test_a_big_answer_leaves_a_short_excerpt() -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform()
        assert answer.event.evidence["excerpt"] == "x" * 512

    run(serving({"/": answers(500, b"x" * 5_000_000)}), check)


async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal")


REPEATABLE: list[dict[str, Any]] = [{"method": "GET"}, {"method": "HEAD"}, {"idempotent": True}]
ONCE: list[dict[str, Any]] = [{}, {"method": "PUT"}, {"method": "DELETE"}, {"method": "PATCH"}]


@pytest.mark.parametrize("script", [resets, silent, writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"), half])
@pytest.mark.parametrize("fields", REPEATABLE + ONCE)
def test_sent_and_no_complete_answer(script: Any, fields: dict[str, Any]) -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform("/x", **fields)
        method = fields.get("method", "POST")
        if fields in REPEATABLE:
            assert answer.outcome == "failed"
            assert answer.event.retryable
            assert f"a {method} to {bench.host} got no complete answer: " in answer.event.message
        else:
            assert told(answer) == ("indeterminate", "Indeterminate", False)
            assert answer.event.message.startswith(f"a {method} to {bench.host} was sent, and no complete answer came")
            assert KEY in answer.event.message
            assert answer.event.evidence["url"] == bench.server.url("/x")
        assert bench.server.lines == [f"{method} /x"]

    run(raw_serving(script), check, limits=CallLimits(total_s=0.5))


@pytest.mark.parametrize("fields", REPEATABLE + ONCE)
def test_not_sent(fields: dict[str, Any]) -> None:
    async def check(bench: Bench) -> None:
        url = f"http://127.0.0.1:{free_port()}/"
        answer = await bench.perform(url=url, **fields)
        assert told(answer) == ("failed", "Unreachable", True)
        assert "was not sent: no connection to 127.0.0.1:" in answer.event.message
        answer = await bench.perform(url="http://unknown.other.test/", **fields)
        assert told(answer)[1] == "URLRefused"
        bench.names.table.clear()
        answer = await bench.perform(url="http://other.test/", **fields)
        assert told(answer) == ("failed", "Unreachable", True)
        assert "the name other.test does not resolve" in answer.event.message

    run(serving({}), check)


@pytest.mark.parametrize("fields", REPEATABLE)
def test_what_may_be_repeated_is_sent_again(fields: dict[str, Any]) -> None:
    async def check(bench: Bench) -> None:
        assert (await bench.perform(first=False, **fields)).outcome == "ok"
        (seen,) = bench.server.log
        assert seen.headers["Idempotency-Key"] == KEY

    run(serving({"/": answers()}), check)


@pytest.mark.parametrize("fields", ONCE)
def test_what_may_not_be_repeated_is_held(fields: dict[str, Any]) -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform(first=False, **fields)
        assert told(answer) == ("indeterminate", "Indeterminate", False)
        method = fields.get("method", "POST")
        assert answer.event.message == (
            f"a {method} to {bench.host} may or may not have been sent before the controller stopped; nothing can be "
            f"looked at from here: ask {bench.host} whether it arrived (Idempotency-Key {KEY})"
        )
        assert not bench.server.log

    run(serving({"/": answers()}), check)


def test_the_key_of_a_secret_is_not_told() -> None:
    async def check(bench: Bench) -> None:
        bench.secrets.add("s", idempotency_key=CANARY)
        answer = await bench.perform(first=False, headersFrom=[{"name": "s", "key": "idempotency-key"}])
        assert "Idempotency-Key" not in answer.event.message

    run(serving({}), check)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://other.test:{port}/"])
def test_a_refused_host(url: str) -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform(url=url.format(port=bench.server.port))
        assert told(answer) == ("failed", "URLRefused", False)
        assert "--allowed-action-hosts" in answer.event.message
        assert url.split("/")[2].split(":", maxsplit=1)[0] in answer.event.message
        assert not bench.server.log

    run(serving({}), check, allowed=())


def test_a_redirect_that_is_refused() -> None:
    """307: not here, so nothing was done. 302: that is how a server answers what it has just done."""

    async def check(bench: Bench) -> None:
        for path, expected in (("/307", ("failed", "URLRefused")), ("/302", ("indeterminate", "Indeterminate"))):
            answer = await bench.perform(path)
            assert told(answer)[:2] == expected
            assert "169.254.169.254" in answer.event.message
            assert "--allowed-action-hosts" in answer.event.message
        assert told(await bench.perform("/302", idempotent=True)) == ("failed", "URLRefused", False)

    away = "http://169.254.169.254/latest"
    run(serving({"/307": redirects(away, 307), "/302": redirects(away, 302)}), check)


@pytest.mark.parametrize("part", ["bodyFrom", "headersFrom"])
def test_credentials_do_not_leave_the_host(part: str) -> None:
    async def other(request: web.Request) -> web.StreamResponse:
        return await redirects(f"http://other.test:{request.url.port}/end")(request)

    async def check(bench: Bench) -> None:
        bench.secrets.add("s", Cookie=CANARY)
        reference: Any = {"name": "s", "key": "Cookie"}
        fields = {part: reference if part == "bodyFrom" else [reference]}
        answer = await bench.perform("/r", **fields)
        assert told(answer) == ("failed", "URLRefused", False)
        assert "redirects to the other host other.test" in answer.event.message
        assert bench.server.lines == ["POST /r"]
        answer = await bench.perform("/r")
        assert answer.event.message.endswith(f"was answered with 200 OK by other.test:{bench.server.port}")

    run(serving({"/r": other, "/end": answers()}), check)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("X-A", CANARY + "\r\nX-B: 1", "the key X-A of Secret shop/s holds a line break"),
        ("X-A", CANARY + "\n", "the newline at its end"),
        ("X-A", CANARY + "\0", "control character"),
        ("X-A", b"canary\xff", "is not UTF-8 text"),
        ("X A", CANARY, "is not a header name"),
        ("Host", CANARY, "belongs to the connection"),
        ("transfer-encoding", CANARY, "belongs to the connection"),
        ("Proxy-Authorization", CANARY, "belongs to the connection"),
    ],
)
def test_headers_that_cannot_be(key: str, value: str | bytes, words: str) -> None:
    async def check(bench: Bench) -> None:
        bench.secrets.add("s", **{key: value})
        answer = await bench.perform(headersFrom=[{"name": "s", "key": key}])
        assert told(answer) == ("failed", "HeaderInvalid", False)
        assert answer.event.message.startswith("http.headersFrom: the key ")
        assert "Secret shop/s" in answer.event.message
        assert words in answer.event.message
        assert "canary" not in everything(answer)
        assert not bench.server.log

    run(serving({}), check)


def test_secrets_that_are_not_as_they_should_be() -> None:
    async def check(bench: Bench) -> None:
        bench.secrets.add("s", a="1", b="2")
        bench.secrets.add("empty")
        bench.secrets.found["broken"] = {"data": {"a": "no base64!"}}

        async def sentence(name: str, key: str) -> str:
            answer = await bench.perform(bodyFrom={"name": name, "key": key})
            assert answer.outcome == "failed"
            return str(answer.event.message)

        assert await sentence("none", "a") == (
            "http.bodyFrom: Secret shop/none does not exist: create it beside the StageSet"
        )
        assert await sentence("s", "c") == (
            "http.bodyFrom: Secret shop/s has no key c (it has a, b): add it, or correct the key"
        )
        assert "no key of Secret shop/s is named: set http.bodyFrom.key" in await sentence("s", "")
        assert "(it has no keys)" in await sentence("empty", "a")
        assert "is not base64" in await sentence("broken", "a")
        bench.secrets.error = errors.Forbidden("secrets is forbidden")
        assert (await bench.perform(bodyFrom={"name": "s", "key": "a"})).outcome == "refused"
        assert not bench.server.log

    run(serving({}), check)


def test_no_time_left() -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform(deadline_ms=NOW_MS)
        assert told(answer) == ("failed", "Timeout", True)
        assert "was over before it was sent" in answer.event.message
        assert not bench.server.log
        assert (await bench.perform(deadline_ms=0)).outcome == "ok"

    run(serving({"/": answers()}), check)


def test_the_deadline_ends_it() -> None:
    async def check(bench: Bench) -> None:
        answer = await bench.perform(deadline_ms=NOW_MS + 50)
        assert answer.outcome == "indeterminate"
        assert "within 0.05 s" in answer.event.message

    run(raw_serving(silent), check)


def spellings(value: str) -> list[str]:
    found = [value, quote(value), quote_plus(value), json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode()]
    return [*found, value.lower(), value[3:20], "7f3a9c"]


@pytest.mark.parametrize("status", [400, 502])
def test_no_value_of_a_secret_is_told(status: int) -> None:
    """The server quotes all that it was given, in every form: in the body, the headers and where it redirects to."""

    async def echo(request: web.Request) -> web.StreamResponse:
        sent = [request.headers["X-Token"], (await request.read()).decode()]
        text = "\n".join(form for value in sent for form in spellings(value))
        headers = {"X-Echo": CANARY, "Content-Type": f"text/plain; boundary={CANARY}"}
        return web.Response(status=status, body=text.encode(), headers=headers)

    async def away(request: web.Request) -> web.StreamResponse:
        return await redirects(f"http://7f3a9c.{quote(CANARY)}.test:1/{quote(CANARY)}?{quote(CANARY)}")(request)

    async def check(bench: Bench) -> None:
        bench.secrets.add("s", X_Token=CANARY, body=json.dumps({"password": CANARY, "n": ["7f3a9c"]}))
        fields = {"headersFrom": [{"name": "s", "key": "X-Token"}], "bodyFrom": {"name": "s", "key": "body"}}
        for path in ("/echo", "/away"):
            answer = await bench.perform(path, **fields)
            recorded = everything(answer)
            assert answer.outcome != "ok"
            for form in spellings(CANARY):
                assert form not in recorded
                assert json.dumps(form)[1:-1] not in recorded
            assert "X-Echo" not in recorded
        assert "[redacted]" in recorded

    run(serving({"/echo": echo, "/away": away}), check)
