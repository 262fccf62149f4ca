"""A door between a controller and its API server: every request passes, one that a test names waits in it.

Plain HTTP on loopback. Invariant: a request that is held before the server never reaches it unless the door is opened
while its sender still waits; one that is late reaches it when the door is opened, whatever became of its sender.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.cluster.rollout.waiting import DEADLINE_S
from tests.controlplane.client import Api
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.credentials import User, write_kubeconfig

Side = Literal["before", "after", "late"]
#: Headers of one connection (RFC 9110 §7.6.1); the length is counted anew.
_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Hold:
    """The first request of its kind waits here: before the server sees it, or after, with the answer.

    A late one waits before the server too, and is not taken back when its sender is gone.
    """

    def __init__(self, method: str, path: str, side: Side, loop: asyncio.AbstractEventLoop) -> None:
        self.method, self.side = method, side
        self._path = re.compile(path)
        self._loop = loop
        self._reached = threading.Event()
        self._opened = asyncio.Event()
        self.taken = False

    def takes(self, method: str, path: str) -> bool:
        """Whether it is this request that waits; dry runs do nothing and never wait."""
        if self.taken or method != self.method or "dryRun=" in path or not self._path.search(path):
            return False
        self.taken = True
        return True

    async def here(self) -> None:
        """The request waits."""
        self._reached.set()
        await self._opened.wait()

    def until_reached(self, show: Callable[[], str] = str) -> None:
        """Wait for the request."""
        assert self._reached.wait(DEADLINE_S), (
            f"no {self.method} {self._path.pattern} within {DEADLINE_S:g} s\n{show()}"
        )

    def open(self) -> None:
        """Let it go on."""
        self._loop.call_soon_threadsafe(self._opened.set)


class Gate:
    """A context manager; `kubeconfig` leads a controller through it."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._loop = asyncio.new_event_loop()
        self._holds: list[Hold] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.BaseTransport] = set()
        self._is_cut = False
        #: requests that came while nothing went through
        self.refused = 0
        self.url = ""

    def hold(self, method: str, path: str, side: Side) -> Hold:
        """Hold the next request with this method whose path and query match a pattern."""
        made = Hold(method, path, side, self._loop)
        self._holds.append(made)
        return made

    def cut(self) -> None:
        """The network is gone: what is open breaks, what comes breaks too."""
        asyncio.run_coroutine_threadsafe(self._break(), self._loop).result(DEADLINE_S)

    def mend(self) -> None:
        """The network is there again."""
        self._loop.call_soon_threadsafe(setattr, self, "_is_cut", False)

    async def _break(self) -> None:
        self._is_cut, self.refused = True, 0
        for transport in self._transports:
            transport.abort()  # type: ignore[attr-defined]

    def kubeconfig(self, path: Path, *, token: str) -> Path:
        user = User(name="bearer", group="", token=token)
        write_kubeconfig(path, url=self.url, authority=self._plane.authority, user=user)
        return path

    @property
    def api(self) -> Api:
        """The API server as the administrator sees it, through the gate."""
        found = self._plane.api
        return Api(self.url, authority=self._plane.authority, token=found._token)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(DEADLINE_S)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(DEADLINE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        tls = ssl.create_default_context(cadata=self._plane.authority.decode())
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
        )
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass)
        # Whoever went away does not get through any more.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        assert self._runner is not None
        assert self._session is not None
        for hold in self._holds:
            hold._opened.set()
        await self._runner.cleanup()
        await self._session.close()
        # TLS says good-bye after close: only the loop's own pipe may be left.
        selector: Any = self._loop
        async with asyncio.timeout(DEADLINE_S):
            while len(selector._selector.get_map()) > 1:  # noqa: ASYNC110 - sockets tell nobody that they are closed
                await asyncio.sleep(0.01)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return web.Response(status=503)
        if self._is_cut:
            self.refused += 1
            transport.abort()
            return web.Response(status=503)
        self._transports.add(transport)
        try:
            return await self._passed(request)
        finally:
            self._transports.discard(transport)

    async def _passed(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        hold = next((one for one in self._holds if one.takes(request.method, request.raw_path)), None)
        if hold is not None and hold.side == "late":
            # The network has it.
            return await asyncio.shield(asyncio.ensure_future(self._delivered(request, body, hold)))
        if hold is not None and hold.side == "before":
            await hold.here()
        assert self._session is not None
        url = URL(self._plane.url + request.raw_path, encoded=True)
        async with self._session.request(
            request.method, url, headers=_kept(request.headers), data=body or None, allow_redirects=False
        ) as answer:
            if hold is not None and hold.side == "after":
                await hold.here()
            response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            # Whoever went away hears nothing.
            with suppress(ConnectionError):
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response

    async def _delivered(self, request: web.Request, body: bytes, hold: Hold) -> web.Response:
        assert self._session is not None
        url, headers = URL(self._plane.url + request.raw_path, encoded=True), _kept(request.headers)
        await hold.here()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            return web.Response(status=answer.status, headers=_kept(answer.headers), body=await answer.read())


def _kept(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP]
