"""Two control planes that look like one to a test: the controller's own, and the remote one that it rolls out to.

Plain HTTP on loopback, for tests only: the controller speaks to each of the two by itself. Reads of what belongs to a
StageSet go home, all others to the remote cluster; writes of what both need (namespaces, roles, ConfigMaps and Secrets
that manifests take values from, CRDs) go to both.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from yarl import URL

from tests.cluster.rollout.waiting import DEADLINE_S
from tests.controlplane.audit import AuditLog
from tests.controlplane.client import Api
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.credentials import User, write_kubeconfig

#: Headers of one connection (RFC 9110 §7.6.1); the length is counted anew.
_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "authorization"}
#: Discovery, and what the controller keeps beside the StageSet.
_AT_HOME = re.compile(
    r"^/(version|api|apis|openapi/.*|api/v1|apis/[^/]+/[^/]+)/?$"
    r"|^/apis/(stages\.metio\.wtf|source\.toolkit\.fluxcd\.io|events\.k8s\.io|coordination\.k8s\.io|"
    r"authorization\.k8s\.io)/|/events(/|$)|/serviceaccounts/[^/]+/token$"
)
_READ_AT_HOME = re.compile(r"/serviceaccounts(/|$)")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class Front:
    """A context manager that is to a `Shop` what a `ControlPlane` is."""

    def __init__(self, home: ControlPlane, remote: ControlPlane, folder: Path) -> None:
        self.home, self.remote, self._folder = home, remote, folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, of both."""
        path = self._folder / "front.kubeconfig"
        if not path.exists():
            user = User(name="admin", group="", token="")
            write_kubeconfig(path, url=self.url, authority=self.home.authority, user=user)
        return path

    @property
    def api(self) -> Api:
        """Both, as their administrators see them."""
        return Api(self.url, authority=self.home.authority, token=None)

    @property
    def audit(self) -> AuditLog:
        """What was done to workloads."""
        return self.remote.audit

    @property
    def authority(self) -> bytes:
        return self.home.authority

    def create_namespace(self, name: str) -> None:
        self.home.create_namespace(name)
        self.remote.create_namespace(name)

    def token(self, *, namespace: str, service_account: str) -> str:
        """Of an account at home."""
        return self.home.token(namespace=namespace, service_account=service_account)

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
        for plane in (self.home, self.remote):
            tls = ssl.create_default_context(cadata=plane.authority.decode())
            self._sessions[plane.url] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=0),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        for session in self._sessions.values():
            await session.close()
        # TLS says good-bye after close: only the loop's own pipe may be left.
        selector: Any = self._loop
        async with asyncio.timeout(DEADLINE_S):
            while len(selector._selector.get_map()) > 1:  # noqa: ASYNC110 - sockets tell nobody that they are closed
                await asyncio.sleep(0.01)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        writes = request.method in _WRITES
        at_home = _AT_HOME.search(request.path) or (not writes and _READ_AT_HOME.search(request.path))
        if at_home or request.headers.get("Authorization"):
            return await self._passed(request, body, self.home)
        if writes:
            async with self._asked(request, body, self.home) as answer:
                await answer.read()
        return await self._passed(request, body, self.remote)

    def _asked(self, request: web.Request, body: bytes, plane: ControlPlane) -> Any:
        headers = _kept(request.headers)
        # Who says nothing is the administrator.
        headers.append(("Authorization", request.headers.get("Authorization") or f"Bearer {plane.api._token}"))
        url = URL(plane.url + request.raw_path, encoded=True)
        session = self._sessions[plane.url]
        return session.request(request.method, url, headers=headers, data=body or None, allow_redirects=False)

    async def _passed(self, request: web.Request, body: bytes, plane: ControlPlane) -> web.StreamResponse:
        async with self._asked(request, body, plane) as answer:
            response = web.StreamResponse(status=answer.status, headers=_kept(answer.headers))
            # Whoever went away hears nothing.
            with suppress(ConnectionError):
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response


def _kept(headers: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP]
