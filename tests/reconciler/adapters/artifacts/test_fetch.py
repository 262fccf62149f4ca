"""Fetching over real HTTP servers on loopback: the guard at every hop, caps, time, digests, sentences."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from reconciler.adapters.artifacts import Fetcher, FetchLimits
from reconciler.compute.urlguard import Guard
from reconciler.errors import OperationError

BODY = b"artifact" * 1000
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
LIMITS = FetchLimits(body_bytes_max=64 * 1024, total_s=20, connect_s=5)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Names(AbstractResolver):
    """Resolves from a table; counts the questions."""

    def __init__(self, table: dict[str, list[str]]) -> None:
        self.table, self.asked = table, []

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.table[host]
        ]

    async def close(self) -> None: ...


class World:
    """One server with routes, and a fetcher that may reach it."""

    def __init__(self, port: int, fetcher: Fetcher, names: Names) -> None:
        self.port, self.fetcher, self.names = port, fetcher, names

    def url(self, path: str = "/a", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def refusal(self, url: str, digest: str = DIGEST) -> OperationError:
        with pytest.raises(OperationError) as caught:
            await self.fetcher.fetch(url, digest)
        return caught.value


def run(
    routes: dict[str, Handler],
    check: Callable[[World], Awaitable[None]],
    *,
    allowed: str = "127.0.0.1:{port}",
    limits: FetchLimits = LIMITS,
) -> None:
    async def main() -> None:
        app = web.Application()
        app.router.add_routes([web.get(path, handler) for path, handler in routes.items()])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        names = Names({})
        guard = Guard.of([entry.format(port=port) for entry in allowed.split()], flag="--allowed-artifact-hosts")
        try:
            async with Fetcher(guard, limits=limits, resolver=lambda: names) as fetcher:
                await check(World(port, fetcher, names))
        finally:
            await runner.cleanup()

    asyncio.run(main())


def sends(body: bytes = BODY, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


def redirects(location: str, status: int = 302) -> Handler:
    return sends(b"", status, Location=location)


def test_body_with_the_pinned_digest() -> None:
    async def check(world: World) -> None:
        assert await world.fetcher.fetch(world.url(), DIGEST) == BODY
        assert await world.fetcher.fetch(world.url(), f"  {DIGEST.upper()} ") == BODY

    run({"/a": sends()}, check)


def test_request_has_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        response = web.Response(body=BODY)
        response.set_cookie("a", "b")
        return response

    async def check(world: World) -> None:
        # A name: aiohttp keeps no cookies for addresses anyway.
        world.names.table["artifacts.local"] = ["127.0.0.1"]
        for _ in range(2):
            await world.fetcher.fetch(world.url(host="artifacts.local"), DIGEST)
        assert {request.headers["Accept-Encoding"] for request in seen} == {"identity"}
        assert not any("Cookie" in request.headers for request in seen)

    run({"/a": handler}, check, allowed="artifacts.local")


def test_encoded_body_is_taken_as_sent() -> None:
    async def check(world: World) -> None:
        assert await world.fetcher.fetch(world.url(), DIGEST) == BODY

    run({"/a": sends(Content_Encoding="gzip")}, check)


def test_loopback_is_refused_before_any_connection() -> None:
    reached: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        reached.append(request.path)
        return web.Response(body=BODY)

    async def check(world: World) -> None:
        for host in ("127.0.0.1", "0x7f.1", "2130706433", "[::1]", "localhost", "169.254.169.254", "0.0.0.0"):
            error = await world.refusal(world.url(host=host))
            assert (error.reason, error.retryable) == ("URLRefused", False)
        assert "--allowed-artifact-hosts=127.0.0.1" in (await world.refusal(world.url())).message
        assert (await world.refusal("ftp://host/x")).reason == "URLRefused"
        assert not reached
        assert not world.names.asked

    run({"/a": handler}, check, allowed="")


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"]]
)
def test_name_that_resolves_to_a_forbidden_address(addresses: list[str]) -> None:
    async def check(world: World) -> None:
        world.names.table["evil.example"] = addresses
        error = await world.refusal(world.url(host="evil.example"))
        assert (error.reason, error.retryable) == ("URLRefused", False)
        assert "evil.example leads to" in error.message
        assert f"--allowed-artifact-hosts=evil.example:{world.port}" in error.message

    run({"/a": sends()}, check, allowed="")


def test_allowed_name_is_resolved_once_and_dialled_as_checked() -> None:
    async def check(world: World) -> None:
        world.names.table["artifacts.local"] = ["127.0.0.1"]
        assert await world.fetcher.fetch(world.url(host="artifacts.local"), DIGEST) == BODY
        assert world.names.asked == ["artifacts.local"]

    run({"/a": sends()}, check, allowed="artifacts.local:{port}")


def test_redirects_are_followed_relative_and_absolute() -> None:
    async def check(world: World) -> None:
        world.names.table["artifacts.local"] = ["127.0.0.1"]
        assert await world.fetcher.fetch(world.url("/r"), DIGEST) == BODY

    routes = {"/r": redirects("s", 301), "/s": redirects("/t?x=1", 307), "/t": redirects("a", 308), "/a": sends()}
    run(routes, check)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2/a", "http://localhost/a", "http://evil.example/a", "file:///etc/passwd", "//0x7f.2/a"],
)
def test_redirect_to_a_forbidden_host(location: str) -> None:
    async def check(world: World) -> None:
        world.names.table["evil.example"] = ["127.0.0.1"]
        error = await world.refusal(world.url("/r"))
        assert (error.reason, error.retryable) == ("URLRefused", False)

    run({"/r": redirects(location)}, check)


def test_redirect_loop_ends() -> None:
    async def check(world: World) -> None:
        error = await world.refusal(world.url("/r"))
        assert (error.reason, error.retryable) == ("BadStatus", True)
        assert "more than 10 times" in error.message

    run({"/r": redirects("/r")}, check)


@pytest.mark.parametrize("status", [204, 206, 304, 404, 500])
def test_only_200_is_taken(status: int) -> None:
    async def check(world: World) -> None:
        url = world.url("/a?token=hunter22").replace("127", "user:hunter33@127")
        error = await world.refusal(url)
        assert (error.reason, error.retryable) == ("BadStatus", True)
        assert f"answered {status}" in error.message
        assert "hunter" not in error.message + str(error.evidence)
        assert error.evidence["status"] == status

    run({"/a": sends(b"", status)}, check)


@pytest.mark.parametrize("digest", ["", "sha256:abc", "sha512:" + "a" * 64, "sha256:" + "g" * 64, "a" * 64])
def test_invalid_digest(digest: str) -> None:
    async def check(world: World) -> None:
        error = await world.refusal(world.url(), digest)
        assert (error.reason, error.retryable) == ("DigestInvalid", False)

    run({}, check)


def test_wrong_digest_names_both() -> None:
    async def check(world: World) -> None:
        error = await world.refusal(world.url(), "sha256:" + "0" * 64)
        assert (error.reason, error.retryable) == ("DigestMismatch", False)
        assert DIGEST in error.message
        assert "7.8 KiB" in error.message

    run({"/a": sends()}, check)


def endless(sent: list[int]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 8192)
            sent[0] += 8192

    return handler


def test_too_large_by_header_and_by_body() -> None:
    sent = [0]

    async def check(world: World) -> None:
        for path in ("/declared", "/endless"):
            error = await world.refusal(world.url(path))
            assert (error.reason, error.retryable) == ("TooLarge", False)
            assert "64 KiB" in error.message

    run({"/declared": sends(b"x" * 65537), "/endless": endless(sent)}, check)
    assert sent[0] < 64 << 20


def lies(length: int, body: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % length + body)
        transport.close()
        return web.Response()

    return handler


def test_lying_content_length() -> None:
    async def check(world: World) -> None:
        more = await world.refusal(world.url("/more"))
        assert (more.reason, more.retryable) == ("Unreachable", True)
        assert "broke before the whole answer" in more.message
        assert (await world.refusal(world.url("/less"))).reason in ("DigestMismatch", "Unreachable")

    run({"/more": lies(len(BODY) + 10, BODY), "/less": lies(len(BODY) - 10, BODY)}, check)


def test_slow_body_ends_at_the_limit() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    async def check(world: World) -> None:
        error = await world.refusal(world.url())
        assert (error.reason, error.retryable) == ("Timeout", True)
        assert "within 0.2 s" in error.message

    run({"/a": slow}, check, limits=FetchLimits(total_s=0.2))


def test_unreachable() -> None:
    async def check(world: World) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            error = await world.refusal(f"http://127.0.0.1:{free.getsockname()[1]}/a")
            assert (error.reason, error.retryable) == ("Unreachable", True)
            assert "no connection to 127.0.0.1" in error.message
        assert "nowhere.example does not resolve" in (await world.refusal("http://nowhere.example/a")).message
        tls = await world.refusal(world.url().replace("http", "https"))
        assert tls.reason == "Unreachable"

    run({}, check, allowed="127.0.0.1")


def test_no_http_at_all() -> None:
    async def garbage(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"SSH-2.0-x\r\n\r\n")
        transport.close()
        return web.Response()

    async def check(world: World) -> None:
        assert (await world.refusal(world.url())).reason == "Unreachable"

    run({"/a": garbage}, check)


def test_at_most_so_many_at_once() -> None:
    now, peak = [0], [0]

    async def handler(_: web.Request) -> web.Response:
        now[0] += 1
        peak[0] = max(peak[0], now[0])
        await asyncio.sleep(0)
        now[0] -= 1
        return web.Response(body=BODY)

    async def check(world: World) -> None:
        await asyncio.gather(*[world.fetcher.fetch(world.url(), DIGEST) for _ in range(10)])
        assert peak[0] <= 2

    run({"/a": handler}, check, limits=FetchLimits(concurrent_max=2))


def test_close_is_idempotent() -> None:
    async def check(world: World) -> None:
        await world.fetcher.close()
        await world.fetcher.close()
        assert await world.fetcher.fetch(world.url(), DIGEST) == BODY

    run({"/a": sends()}, check)


def test_default_resolver_knows_localhost() -> None:
    async def main() -> None:
        async with Fetcher(Guard.of([], flag="--f"), resolver=aiohttp.ThreadedResolver) as fetcher:
            with pytest.raises(OperationError, match="loopback"):
                await fetcher.fetch("http://localhost./a", DIGEST)

    asyncio.run(main())
