"""Lists in pages and watches as streams of JSON lines.

A continued list shows the state of its first page. Watches end after `timeoutSeconds`, when they are dropped, and when
the server stops.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import msgspec
from aiohttp import web

from reconciler import errors
from reconciler.adapters.memory import status
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.sandbox import answers, verbs
from reconciler.adapters.sandbox.routes import Target
from reconciler.ports.cluster import ObjectList, Scope, WatchEvent

Object = dict[str, Any]
_encode = msgspec.json.Encoder().encode
#: A watch without `timeoutSeconds` ends after this, as those of an API server do.
WATCH_S = 1800
#: Lists that were begun and not finished; the oldest expire.
PAGES_MAX = 64
_END = "k8s.io/initial-events-end"


class Pages:
    """The rests of lists that clients read page by page."""

    def __init__(self) -> None:
        self._rests: OrderedDict[str, ObjectList] = OrderedDict()
        self._number = 0

    def cut(self, found: ObjectList, limit: int) -> tuple[list[Object], Object]:
        """The first `limit` items and the list's metadata."""
        meta: Object = {"resourceVersion": found.resource_version}
        if not limit or len(found.items) <= limit:
            return found.items, meta
        self._number += 1
        token = f"page-{self._number}"
        self._rests[token] = ObjectList(found.items[limit:], found.resource_version)
        while len(self._rests) > PAGES_MAX:
            self._rests.popitem(last=False)
        return found.items[:limit], {**meta, "continue": token, "remainingItemCount": len(found.items) - limit}

    def take(self, token: str) -> ObjectList:
        """The rest of a list. Raises `Gone` when it has expired."""
        found = self._rests.pop(token, None)
        if found is None:
            raise status.make(
                errors.Gone,
                "The provided continue parameter is too old to display a consistent list result. You must start a new "
                "list without the continue parameter.",
            )
        return found


async def list_objects(
    cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target, pages: Pages
) -> web.Response:
    """GET of a collection, as a list, as metadata, or as a table."""
    scope = verbs.scope_of(request, kind, target=target)
    token = request.query.get("continue", "")
    whole = await cluster.list(scope)
    items, meta = pages.cut(pages.take(token) if token else whole, int(request.query.get("limit") or 0))
    if verbs.wants_table(request):
        return answers.json(verbs.table_of(cluster, request, kind=kind, objects=items, meta=meta))
    if scope.metadata_only:
        return answers.json({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
                             "items": [_partial(item) for item in items]})  # fmt: skip
    return answers.json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items})


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


async def watch(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.StreamResponse:
    """GET with `watch=true`. Errors before the first byte are answers, later ones `ERROR` events."""
    scope = verbs.scope_of(request, kind, target=target)
    initial = request.query.get("sendInitialEvents") == "true"
    version = request.query.get("resourceVersion", "")
    whole = await cluster.list(scope) if initial else None
    events = cast(
        AsyncGenerator[WatchEvent, None],
        cluster.watch(scope, resource_version=whole.resource_version if whole else version),
    )
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with aclosing(events):
        await response.prepare(request)
        send = _Sender(cluster, request, kind, scope=scope, response=response)
        try:
            async with asyncio.timeout(int(request.query.get("timeoutSeconds") or WATCH_S)):
                if whole:
                    await _send_initial(send, whole, kind=kind)
                async for event in events:
                    await send(event)
        except TimeoutError:
            pass
        except errors.ClusterError as error:
            await response.write(_encode({"type": "ERROR", "object": answers.failure(error)}) + b"\n")
    return response


async def _send_initial(send: _Sender, whole: ObjectList, *, kind: Kind) -> None:
    for obj in whole.items:
        await send(WatchEvent("ADDED", obj))
    meta = {"resourceVersion": whole.resource_version, "annotations": {_END: "true"}, "creationTimestamp": None}
    await send(WatchEvent("BOOKMARK", {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}))


class _Sender:
    """Writes events of one watch in the form that its request asked for."""

    def __init__(
        self, cluster: MemoryCluster, request: web.Request, kind: Kind, *, scope: Scope, response: web.StreamResponse
    ) -> None:
        self._cluster, self._request, self._kind = cluster, request, kind
        self._scope, self._response = scope, response
        self._bookmarks = request.query.get("allowWatchBookmarks") == "true"

    async def __call__(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK" and not self._bookmarks:
            return
        obj: Object = event.object
        if verbs.wants_table(self._request):
            rows = [obj] if event.type != "BOOKMARK" else []
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            obj = verbs.table_of(self._cluster, self._request, kind=self._kind, objects=rows, meta=meta)
        elif self._scope.metadata_only:
            obj = _partial(obj)
        await self._response.write(_encode({"type": event.type, "object": obj}) + b"\n")
