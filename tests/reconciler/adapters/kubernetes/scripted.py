"""A web server on loopback that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes.aio.client import Configuration

from reconciler.adapters.kubernetes import KubernetesCluster, Limits, Remotes
from reconciler.adapters.kubernetes.connect import server_of
from reconciler.adapters.kubernetes.identity import Configured
from reconciler.compute import kubeconfig
from reconciler.compute.urlguard import Guard

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOKEN = "very-secret-token"
DEPLOYMENTS = {
    "kind": "APIResourceList",
    "groupVersion": "apps/v1",
    "resources": [
        {"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get"]},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True, "verbs": ["get"]},
    ],
}
CORE = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {"name": name, "kind": kind, "namespaced": kind != "Namespace"}
        for name, kind in (
            ("configmaps", "ConfigMap"),
            ("namespaces", "Namespace"),
            ("pods", "Pod"),
            ("secrets", "Secret"),
            ("serviceaccounts", "ServiceAccount"),
        )
    ],
}


class Scripted:
    """`on["GET /path"]` is a handler, or a list of handlers of which each is used once and the last for ever."""

    def __init__(self) -> None:
        self.on: dict[str, Handler | list[Handler]] = {}
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.stop = asyncio.Event()
        self.port = 0

    def count(self, key: str) -> int:
        return sum(f"{request.method} {request.path}" == key for request in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        self.bodies.append(await request.read())
        handler = self.on.get(f"{request.method} {request.path}")
        if isinstance(handler, list):
            handler = handler.pop(0) if len(handler) > 1 else handler[0]
        if handler is None:
            return web.Response(status=404, text="404 page not found")
        return await handler(request)


def answer(value: Any, *, code: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=json.dumps(value), status=code, content_type="application/json", headers=headers)

    return handler


def text(body: str, *, code: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=code, headers=headers)

    return handler


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def refusal(code: int, reason: str, message: str, **details: Any) -> Handler:
    return answer(status(code, reason, message, **details), code=code)


def lines(*chunks: bytes, then: Callable[[], Awaitable[Any]] | None = None) -> Handler:
    """A watch that sends these chunks as they are, and then ends, or waits for `then`."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then is not None:
            await then()
        return response

    return handler


async def reset(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def scripted() -> AsyncIterator[Scripted]:
    script = Scripted()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{tail:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.port = runner.addresses[0][1]
    script.on["GET /apis/apps/v1"] = answer(DEPLOYMENTS)
    script.on["GET /api/v1"] = answer(CORE)
    try:
        yield script
    finally:
        script.stop.set()
        await runner.cleanup()


def document(port: int, **user: Any) -> dict[str, Any]:
    return {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": user or {"token": TOKEN}}],
    }


def client(port: int, limits: Limits | None = None) -> KubernetesCluster:
    """An operator's client of a server on loopback."""
    configuration = Configuration(host=f"http://127.0.0.1:{port}")
    configuration.api_key["BearerToken"] = f"Bearer {TOKEN}"
    server = server_of(configuration, limits or Limits(), where="a test")
    return KubernetesCluster(server, Configured(configuration, name="context test"), jitter=lambda: 0.0)


def tenants(
    config: dict[str, Any],
    *,
    where: str = "a test",
    allowed: tuple[str, ...] = ("127.0.0.1",),
    user: str = "",
    limits: Limits | None = None,
) -> KubernetesCluster:
    """A tenant's client."""
    guard = Guard.of(allowed, flag="--allowed-cluster-hosts")
    remotes = Remotes(guard, jitter=lambda: 0.0, limits=limits or Limits())
    return remotes.reach(kubeconfig.check(config, where=where), where=where, user=user)


@asynccontextmanager
async def connected(limits: Limits | None = None) -> AsyncIterator[tuple[Scripted, KubernetesCluster]]:
    async with scripted() as script:
        cluster = client(script.port, limits)
        try:
            yield script, cluster
        finally:
            await cluster.close()
