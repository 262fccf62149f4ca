"""The server: routes requests, drives the cluster's time by the real clock, and stops cleanly.

Not a policy: every answer comes from the cluster. It sleeps until something is due or asked; idle, it costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from reconciler.adapters.memory import status
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.sandbox import answers, documents, identities, reviews, routes, streams, verbs
from reconciler.adapters.sandbox.routes import Target
from reconciler.errors import ClusterError

#: As the API server's.
BODY_BYTES_MAX = 3 * 1024 * 1024
#: What kubectl asks `/openapi/v2` for; nothing else is understood.
OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#: Watches get a bookmark after this long.
BOOKMARK_S = 60.0


class Face:
    """Answers HTTP requests from a cluster."""

    def __init__(self, cluster: MemoryCluster, *, token: str) -> None:
        self._cluster = cluster
        self._token = token
        self._pages = streams.Pages()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every request."""
        token, path = identities.split(request.path)
        if path in ("/healthz", "/readyz", "/livez"):
            return web.Response(text="ok")
        if path == "/openapi/v2":
            # kubectl checks `kind: List` by this alone; an empty document lets it leave the items to the server.
            return web.Response(body=b"", content_type=OPENAPI_V2)
        try:
            cluster = identities.authenticate(self._cluster, request, token=token, admin_token=self._token)
            target = routes.parse(path)
            if target is None or not target.plural:
                return await self._document(cluster, path.rstrip("/"), target)
            if target.group in ("authorization.k8s.io", "authentication.k8s.io"):
                return await self._review(cluster, request, target)
            kind = cluster.world.catalog.plural(target.group, target.version, target.plural)
            return await self._resource(cluster, request, target, kind) if kind else answers.no_path()
        except ClusterError as error:
            return answers.refused(error)

    async def _document(self, cluster: MemoryCluster, path: str, target: Target | None) -> web.Response:
        catalog = cluster.world.catalog
        found: Any = None
        if target is not None:
            found = documents.resources(catalog, target.api_version)
        elif path == "/version":
            found = dict(await cluster.version())
        elif path == "/api":
            found = documents.versions()
        elif path == "/apis":
            found = documents.groups(catalog)
        elif path.startswith("/apis/"):
            found = documents.one_group(catalog, path.removeprefix("/apis/"))
        elif path == "/openapi/v3":
            found = documents.openapi_index(catalog, cluster.world.store.version)
        elif path.startswith("/openapi/v3/api"):
            found = documents.openapi(catalog, path.removeprefix("/openapi/v3/").split("/", 1)[1])
        return answers.json(found) if found is not None else answers.no_path()

    async def _review(self, cluster: MemoryCluster, request: web.Request, target: Target) -> web.Response:
        body = await answers.body_of(request)
        match target.plural:
            case "selfsubjectaccessreviews":
                return answers.json(reviews.access(cluster, body or {}), code=201)
            case "selfsubjectreviews":
                return answers.json(reviews.identity(cluster), code=201)
        return answers.no_path()

    async def _resource(
        self, cluster: MemoryCluster, request: web.Request, target: Target, kind: Kind
    ) -> web.StreamResponse:
        if target.subresource and target.subresource not in kind.subresources:
            if target.subresource in ("scale", "exec", "attach", "portforward", "proxy", "eviction", "binding"):
                raise status.unsupported(f"the sub-resource {target.subresource} of {kind.resource}")
            return answers.no_path()
        match request.method:
            case "GET" if request.query.get("watch") in ("true", "1"):
                return await streams.watch(cluster, request, kind=kind, target=target)
            case "GET" if not target.name:
                return await streams.list_objects(cluster, request, kind=kind, target=target, pages=self._pages)
            case "GET":
                return await verbs.get(cluster, request, kind=kind, target=target)
            case "POST":
                return await verbs.create(cluster, request, kind=kind, target=target)
            case "PUT":
                return await verbs.replace(cluster, request, kind=kind, target=target)
            case "PATCH":
                return await verbs.patch(cluster, request, kind=kind, target=target)
            case "DELETE" if target.name:
                return await verbs.delete(cluster, request, kind=kind, target=target)
            case "DELETE":
                return await verbs.delete_collection(cluster, request, kind=kind, target=target)
        return answers.plain(
            405, "the server does not allow this method on the requested resource", reason="MethodNotAllowed"
        )


async def drive(cluster: MemoryCluster) -> None:
    """Does what is due when it is due, by the cluster's own clock, until cancelled."""
    woken = asyncio.Event()
    cluster.world.on_due.append(woken.set)
    try:
        while True:
            woken.clear()
            await cluster.tick()
            due = cluster.next_due()
            wait_s = None if due is None else max(0.0, due - cluster.world.clock())
            if cluster.world.store.watchers:
                wait_s = BOOKMARK_S if wait_s is None else min(wait_s, BOOKMARK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await woken.wait()
                    continue
            if wait_s == BOOKMARK_S:
                cluster.send_bookmarks()
    finally:
        cluster.world.on_due.remove(woken.set)


class Running:
    """A server that answers; an async context manager that stops it."""

    def __init__(
        self, cluster: MemoryCluster, runner: web.AppRunner, *, url: str, token: str, kubeconfig: Path
    ) -> None:
        self.cluster = cluster
        #: `http://127.0.0.1:port`.
        self.url = url
        #: The administrator's bearer token.
        self.token = token
        self.kubeconfig = kubeconfig
        self._runner = runner
        self._driver = asyncio.create_task(drive(cluster))

    async def stop(self) -> None:
        """Ends watches, the clock and the server; the kubeconfig is removed."""
        self._driver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._driver
        self.cluster.drop_watches()
        await self._runner.cleanup()
        self.kubeconfig.unlink(missing_ok=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def write_kubeconfig(path: Path, *, url: str, token: str) -> None:
    """A kubeconfig for the bearer of `token`, readable by its owner only. JSON is YAML.

    Without TLS the token is part of the address: kubectl does not send it otherwise.
    """
    if url.startswith("http:"):
        url += f"{identities.PREFIX}{token}"
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "sandbox", "preferences": {},
        "clusters": [{"name": "sandbox", "cluster": {"server": url}}],
        "users": [{"name": "sandbox", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}}],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(config), indent=2))


def _new_token() -> str:
    from secrets import token_urlsafe  # noqa: TID251 - the server owns its administrator's credential

    return token_urlsafe(32)


async def serve(
    cluster: MemoryCluster, *, host: str = "127.0.0.1", port: int = 0, kubeconfig_path: str | Path, token: str = ""
) -> Running:
    """Serves the cluster until `stop`. Port 0 takes a free one; an empty token is drawn.

    The kubeconfig at `kubeconfig_path` is the administrator's. Raises OSError when the address cannot be had.
    """
    token = token or _new_token()
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_route("*", "/{path:.*}", Face(cluster, token=token).handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    url = f"http://{host}:{bound}"
    path = Path(kubeconfig_path)
    write_kubeconfig(path, url=url, token=token)
    return Running(cluster, runner, url=url, token=token, kubeconfig=path)
