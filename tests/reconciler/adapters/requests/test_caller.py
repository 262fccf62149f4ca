"""One call over real servers on loopback: hops, limits, what was sent, and the guard at each hop."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from reconciler.adapters.requests import Call, Caller, CallError, CallLimits, Reply
from reconciler.compute.echoes import scrubber
from reconciler.compute.urlguard import Guard
from tests.reconciler.adapters.requests.serving import (
    Handler,
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

TLS = Path(__file__).parents[1] / "kubernetes" / "tls"
OPEN = ("127.0.0.1", "here.test", "other.test")


class World:
    def __init__(self, server: Server, caller: Caller, names: Names) -> None:
        self.server, self.caller, self.names = server, caller, names

    async def call(self, path: str = "/", *, method: str = "POST", within_s: float = 20, **fields: Any) -> Reply:
        url = fields.pop("url", "") or self.server.url(path, fields.pop("host", "127.0.0.1"))
        return await self.caller.call(Call(method, url, **fields), within_s=within_s)

    async def error(self, path: str = "/", **fields: Any) -> CallError:
        with pytest.raises(CallError) as caught:
            await self.call(path, **fields)
        return caught.value


def run(
    server: Any,
    check: Callable[[World], Awaitable[None]],
    *,
    allowed: tuple[str, ...] = OPEN,
    limits: CallLimits | None = None,
) -> None:
    async def main() -> None:
        names = Names(here_test=["127.0.0.1"], other_test=["127.0.0.1"])
        guard = Guard.of(allowed, flag="--allowed-action-hosts", narrow=True)
        async with server as up, Caller(guard, limits=limits, resolver=lambda: names) as caller:
            await check(World(up, caller, names))

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_it_sends_the_request_as_it_is(method: str) -> None:
    async def check(world: World) -> None:
        headers = (("X-A", "ä"), ("Idempotency-Key", "k"))
        reply = await world.call("/a%2Fb/ü?q=%41+1", method=method, headers=headers, body=b"\0body")
        assert (reply.status, reply.host) == (200, f"127.0.0.1:{world.server.port}")
        (seen,) = world.server.log
        assert (seen.method, seen.body) == (method, b"\0body")
        assert seen.path == "/a%2Fb/%C3%BC?q=%41+1"
        assert (seen.headers["X-A"], seen.headers["Idempotency-Key"]) == ("ä", "k")
        assert seen.headers["User-Agent"] == "stageset-controller"
        assert seen.headers["Connection"] == "close"
        assert not {"Content-Type", "Cookie"} & seen.headers.keys()

    run(serving({"/a/b/ü": answers()}), check)


def test_nothing_of_the_environment_or_of_earlier_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def check(world: World) -> None:
        for _ in range(2):
            await world.call(host="here.test")
        assert not any("Cookie" in seen.headers for seen in world.server.log)
        assert world.names.asked == ["here.test", "here.test"]

    run(serving({"/": answers(Set_Cookie="a=b")}), check)


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "[::1]", "localhost", "here.test", "both.test"])
def test_a_refused_address_is_never_dialled(host: str) -> None:
    async def check(world: World) -> None:
        world.names.table["both.test"] = ["93.184.216.34", "127.0.0.1"]
        error = await world.error(host=host)
        assert (error.reason, error.retryable, error.doubtful) == ("URLRefused", False, False)
        assert host.strip("[]") in error.message
        assert "--allowed-action-hosts=" in error.message
        assert not world.server.log

    run(serving({}), check, allowed=())


def test_globs_narrow_and_do_not_open() -> None:
    async def check(world: World) -> None:
        assert "matches no entry of --allowed-action-hosts" in (await world.error(host="elsewhere.example")).message
        assert "is loopback" in (await world.error(host="other.test")).message
        assert (await world.call(host="here.test")).status == 404

    run(serving({}), check, allowed=("*.test", "here.test"))


@pytest.mark.parametrize("url", ["ftp://here.test/", "//here.test/", "http://", "http://a b/", "http://[::1", "x"])
def test_what_is_no_http_url(url: str) -> None:
    async def check(world: World) -> None:
        error = await world.error(url=url)
        assert (error.reason, error.retryable, error.doubtful) == ("URLRefused", False, False)

    run(serving({}), check)


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"), (308, "POST", "POST"),
        (301, "PUT", "PUT"), (302, "PATCH", "PATCH"), (303, "PUT", "GET"), (308, "DELETE", "DELETE"),
        (303, "HEAD", "HEAD"), (303, "GET", "GET"), (302, "HEAD", "HEAD"),
    ],
)  # fmt: skip
def test_redirects_keep_or_change_the_method_as_in_browsers(status: int, method: str, then: str) -> None:
    async def check(world: World) -> None:
        headers = (("Content-Type", "text/x"), ("X-A", "1"))
        reply = await world.call("/r", method=method, headers=headers, body=b"body")
        assert reply.status == 200
        first, second = world.server.log
        assert (first.method, second.method, second.path) == (method, then, "/end?x=1")
        assert second.headers["X-A"] == "1"
        assert (second.body, second.headers.get("Content-Type")) == (
            (b"", None) if then == "GET" and method != "GET" else (b"body", "text/x")
        )

    run(serving({"/r": redirects("end?x=1", status), "/end": answers()}), check)


def test_a_redirect_that_is_the_expected_answer_is_not_followed() -> None:
    async def check(world: World) -> None:
        assert (await world.call("/r", final=frozenset((302,)))).status == 302
        assert (await world.call("/none")).status == 302
        assert world.server.lines == ["POST /r", "POST /none"]

    run(serving({"/r": redirects("/end", 302), "/none": answers(302)}), check)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2/", "http://localhost/", "http://evil.test/", "file:///etc/passwd", "//0x7f.2/", "http://[bad"],
)
def test_a_redirect_to_a_refused_host(location: str) -> None:
    async def check(world: World) -> None:
        world.names.table["evil.test"] = ["169.254.169.254"]
        error = await world.error("/r")
        assert (error.reason, error.retryable, error.doubtful) == ("URLRefused", False, False)
        assert world.server.lines == ["POST /r"]

    run(serving({"/r": redirects(location)}), check, allowed=("127.0.0.1", "*"))


def test_ten_redirects_and_no_more() -> None:
    routes = {f"/{n}": redirects(f"/{n + 1}") for n in range(11)} | {"/11": answers()}

    async def check(world: World) -> None:
        assert (await world.call("/1")).status == 200
        error = await world.error("/0")
        assert (error.reason, error.retryable, error.doubtful) == ("TooManyRedirects", True, False)
        assert "more than 10 times" in error.message
        assert world.server.lines[-1] == "POST /10"

    run(serving(routes), check)


def test_secrets_stay_with_the_host() -> None:
    async def check(world: World) -> None:
        error = await world.error("/r", host="here.test", confined=True, body=b"s")
        assert (error.reason, error.retryable, error.doubtful) == ("URLRefused", False, False)
        assert f"here.test:{world.server.port} redirects to the other host other.test" in error.message
        assert world.server.lines == ["POST /r"]
        assert (await world.call("/r", host="here.test", body=b"s")).host.startswith("other.test")
        assert (await world.call("/same", host="here.test", confined=True)).status == 200

    routes: dict[str, Handler] = {"/same": redirects("/end"), "/end": answers()}

    async def other(request: web.Request) -> web.StreamResponse:
        return await redirects(f"http://other.test:{request.url.port}/end")(request)

    run(serving(routes | {"/r": other}), check)


@pytest.mark.parametrize(("status", "doubtful"), [(307, False), (301, True), (302, True), (303, True)])
def test_a_redirect_that_ends_in_nothing(status: int, doubtful: bool) -> None:
    """307 says "not here"; 303 is how servers answer what they have just done."""
    port = free_port()

    async def check(world: World) -> None:
        for path in ("/r", "/twice", "/loop"):
            error = await world.error(path)
            assert error.doubtful is doubtful, path

    away = redirects(f"http://127.0.0.1:{port}/", status)
    routes = {"/r": away, "/twice": redirects("/again", status), "/again": away, "/loop": redirects("/loop", status)}
    run(serving(routes), check)


def test_what_was_never_sent() -> None:
    async def check(world: World) -> None:
        refused = await world.error(url=f"http://127.0.0.1:{free_port()}/")
        assert "no connection to 127.0.0.1:" in refused.message
        world.names.table.pop("here.test")
        unknown = await world.error(host="here.test")
        assert "the name here.test does not resolve" in unknown.message
        tls = await world.error(url=world.server.url().replace("http", "https"))
        for error in (refused, unknown, tls):
            assert (error.reason, error.retryable, error.doubtful) == ("Unreachable", True, False)
        assert not world.server.log

    run(serving({}), check)


def test_a_certificate_is_judged_before_anything_is_sent() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem")

    async def main() -> None:
        guard = Guard.of(["127.0.0.1"], flag="--f")
        async with serving({"/": answers()}, ssl=context) as server:
            call = Call("POST", server.url().replace("http", "https"))
            async with Caller(guard) as suspicious:
                with pytest.raises(CallError, match=r"certificate of 127\.0\.0\.1 is not trusted") as caught:
                    await suspicious.call(call, within_s=20)
            assert (caught.value.reason, caught.value.retryable, caught.value.doubtful) == ("Unreachable", True, False)
            assert not server.log
            async with Caller(guard, tls=ssl.create_default_context(cafile=TLS / "ca.pem")) as trusting:
                assert (await trusting.call(call, within_s=20)).status == 200

    asyncio.run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"])
@pytest.mark.parametrize("script", [resets, writes(), writes(b"HTTP/1.1 200 OK\r\n"), writes(b"SSH-2.0-x\r\n\r\n")])
def test_a_broken_connection_is_not_answered_by_sending_again(method: str, script: Any) -> None:
    async def check(world: World) -> None:
        error = await world.error("/once", method=method, body=b"x")
        assert (error.reason, error.retryable, error.doubtful) == ("Unreachable", True, True)
        assert world.server.lines == [f"{method} /once"]

    run(raw_serving(script), check)


def test_an_answer_that_breaks_off() -> None:
    async def check(world: World) -> None:
        error = await world.error()
        assert (error.reason, error.doubtful) == ("Unreachable", True)
        assert "broke before the whole answer" in error.message

    run(raw_serving(writes(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")), check)


def test_no_answer_in_time() -> None:
    async def check(world: World) -> None:
        for error in (await world.error(within_s=0.4), await world.error(within_s=float("inf"))):
            assert (error.reason, error.retryable, error.doubtful) == ("Timeout", True, True)
        assert "within 0.5 s" in error.message

    run(raw_serving(silent), check, limits=CallLimits(total_s=0.5))


def test_a_body_that_does_not_end_in_time() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()

    async def check(world: World) -> None:
        error = await world.error()
        assert (error.reason, error.doubtful) == ("Timeout", True)

    run(raw_serving(script), check, limits=CallLimits(total_s=0.5))


def test_time_that_ends_before_the_connection_is_made() -> None:
    class Stuck(Names):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> Any:
            await asyncio.Event().wait()

    async def main() -> None:
        guard = Guard.of((), flag="--f")
        async with Caller(guard, resolver=Stuck) as caller:
            with pytest.raises(CallError) as caught:
                await caller.call(Call("POST", "http://slow.example/"), within_s=0.02)
        assert (caught.value.reason, caught.value.retryable, caught.value.doubtful) == ("Timeout", True, False)

    asyncio.run(main())


def test_a_big_answer_is_not_read_to_its_end() -> None:
    sent = [0]

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 8192)
            sent[0] += 8192

    async def check(world: World) -> None:
        reply = await world.call()
        assert (reply.status, reply.content_type, reply.excerpt) == (200, "text/plain", "x" * 512)

    run(serving({"/": endless}), check)
    assert sent[0] < 64 << 20


def test_the_excerpt_is_scrubbed_text() -> None:
    scrub = scrubber([b"hunter2-hunter2"])

    async def check(world: World) -> None:
        reply = await world.call("/echo", scrub=scrub, body=b"s")
        assert (reply.excerpt, reply.content_type) == ("got [redacted]", "text/[redacted]")
        assert (await world.call("/gzip", scrub=scrub)).excerpt == ""
        assert (await world.call("/binary", scrub=scrub)).excerpt == ""
        assert (await world.call("/rot13", scrub=scrub)).excerpt == ""

    body = b"got hunter2-hunter2"
    routes = {
        "/echo": answers(400, body, Content_Type="text/hunter2-hunter2"),
        "/gzip": answers(400, gzip.compress(body), Content_Encoding="gzip"),
        "/rot13": answers(400, b"uhagre2-uhagre2", Content_Encoding="x-rot13"),
        "/binary": answers(400, body.decode().encode("utf-16")),
    }
    run(serving(routes), check)


@pytest.mark.parametrize("location", ["http://Hunter2-hunter2.test/", "http://here.test:1/hunter2-hunter2", "ü\udcff"])
def test_a_redirect_that_quotes_a_secret(location: str) -> None:
    async def check(world: World) -> None:
        error = await world.error(scrub=scrubber([b"hunter2-hunter2"]), confined=True)
        assert "hunter2" not in error.message.lower()
        error.message.encode()

    raw = location.encode("utf-8", "surrogateescape")
    run(raw_serving(writes(b"HTTP/1.1 307 x\r\nContent-Length: 0\r\nLocation: " + raw + b"\r\n\r\n")), check)


def test_a_redirect_to_a_host_that_is_named_like_a_secret() -> None:
    """The host of a redirect is the other side's word: it is not shown, whatever becomes of it."""

    async def away(request: web.Request) -> web.StreamResponse:
        return await redirects(f"http://hunter2-hunter2.test:{request.url.port}/end")(request)

    async def check(world: World) -> None:
        scrub = scrubber([b"Hunter2-hunter2"])
        unknown = await world.error("/r", scrub=scrub)
        assert "the name [redacted].test does not resolve: check [redacted].test" in unknown.message
        world.names.table["hunter2-hunter2.test"] = ["224.0.0.1"]
        refused = await world.error("/r", scrub=scrub)
        assert "224.0.0.1, which is multicast" in refused.message
        assert "hunter2" not in refused.message
        world.names.table["hunter2-hunter2.test"] = ["127.0.0.1"]
        assert (await world.call("/r", scrub=scrub)).host == f"[redacted].test:{world.server.port}"

    run(serving({"/r": away, "/end": answers()}), check, allowed=("127.0.0.1", "hunter2-hunter2.test"))


def test_close_is_idempotent() -> None:
    async def check(world: World) -> None:
        assert (await world.call()).status == 404
        await world.caller.close()
        await world.caller.close()
        assert (await world.call()).status == 404

    run(serving({}), check)


def test_the_systems_resolver_and_a_name_that_it_cannot_encode() -> None:
    async def main() -> None:
        async with Caller(Guard.of((), flag="--f"), resolver=aiohttp.ThreadedResolver) as caller:
            for url in ("http://a..b/", f"http://{'a' * 64}.test/"):
                with pytest.raises(CallError) as caught:
                    await caller.call(Call("POST", url), within_s=20)
                assert (caught.value.reason, caught.value.doubtful) == ("Unreachable", False)

    asyncio.run(main())
