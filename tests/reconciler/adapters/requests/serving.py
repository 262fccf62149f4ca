"""Servers on loopback that write down every request: one that speaks HTTP, one that does with its sockets as told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: What a raw server does with a connection on which a whole head of a request has arrived.
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Seen(NamedTuple):
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Names(AbstractResolver):
    """Resolves from a table."""

    def __init__(self, **table: list[str]) -> None:
        self.table, self.asked = {name.replace("_", "."): found for name, found in table.items()}, []

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.table[host]
        ]

    async def close(self) -> None: ...


class Server(NamedTuple):
    port: int
    log: list[Seen]

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def lines(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.log]


@asynccontextmanager
async def serving(routes: dict[str, Handler], *, ssl: Any = None) -> AsyncIterator[Server]:
    """An HTTP server with a handler for each path, whatever the method."""
    log: list[Seen] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        log.append(Seen(request.method, request.path_qs, dict(request.headers), await request.read()))
        return await routes.get(request.path, answers(404, b"no such page"))(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl).start()
    try:
        yield Server(runner.addresses[0][1], log)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_serving(script: Script) -> AsyncIterator[Server]:
    """A server that reads a request's head and then follows the script."""
    log: list[Seen] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            log.append(Seen(method, path, {}, b""))
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Server(server.sockets[0].getsockname()[1], log)
    finally:
        server.close()
        await server.wait_closed()


def answers(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


def redirects(location: str, status: int = 307) -> Handler:
    return answers(status, b"", Location=location)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers; ends when the client goes."""
    await reader.read()


async def resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection without a word."""
    writer.transport.abort()


def writes(*parts: bytes) -> Script:
    """Sends these bytes and closes."""

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
        await writer.drain()

    return script


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
