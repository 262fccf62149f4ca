"""Lists page by page and watches line by line, on shared connections.

Not a cache: nothing is kept. Invariants: memory holds one page or one event; every watch ends.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec

from reconciler.adapters.kubernetes.failures import Asked, from_status
from reconciler.adapters.kubernetes.limits import Limits
from reconciler.adapters.kubernetes.scrub import scrub
from reconciler.adapters.kubernetes.server import TooLarge
from reconciler.errors import Gone, Unavailable
from reconciler.ports.cluster import Object, ObjectList, Scope, WatchEvent

_META = "application/json;as={};g=meta.k8s.io;v=v1"
#: A page that is too large is asked for again with this fraction of its items.
_PAGE_SHRINK = 8


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: dict[str, Any]


_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})
_EVENTS = msgspec.json.Decoder(_Event)


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct, frozen=True):
    metadata: _ListMeta
    items: list[dict[str, Any]] | None = None


_PAGES = msgspec.json.Decoder(_Page)


def accept(scope: Scope, *, listing: bool) -> str:
    """The media type that a list or a watch of `scope` asks for."""
    if not scope.metadata_only:
        return "application/json"
    return _META.format("PartialObjectMetadataList" if listing else "PartialObjectMetadata")


async def whole(pages: Callable[[], AsyncIterator[ObjectList]]) -> ObjectList:
    """A complete list, from its pages.

    A `continue` that expired in the middle starts the list again, once (then `Gone`), as the API's conventions ask for.
    """
    for again in (True, False):
        items: list[Object] = []
        version, begun = "", False
        try:
            async for page in pages():
                items += page.items
                version, begun = page.resource_version, True
        except Gone:
            if not (begun and again):
                raise
        else:
            break
    return ObjectList(items, version)


async def pages(
    fetch: Callable[[int, str], Awaitable[bytes]], scope: Scope, *, limits: Limits, server: str
) -> AsyncGenerator[ObjectList, None]:
    """The pages of a list; `fetch(limit, continue_)` returns the bytes of one.

    Raises `Gone` in the middle when the `continue` expired: what was read so far is no list.
    """
    limit, token, count = limits.page_items_max, "", 0
    while True:
        try:
            page = _page(await fetch(limit, token), server=server, kind=scope.kind)
        except TooLarge:
            if limit == 1:
                raise
            limit = max(1, limit // _PAGE_SHRINK)
            continue
        items = [_named(item, scope) for item in page.items or []]
        count += len(items)
        if count > limits.list_items_max:
            raise Unavailable(
                f"{server} has more than {limits.list_items_max} objects of kind {scope.kind}: the limit."
            )
        token = page.metadata.continue_
        yield ObjectList(items, page.metadata.resource_version)
        if not token:
            return
        # Not two pages at a time.
        del page, items


def _page(body: bytes, *, server: str, kind: str) -> _Page:
    try:
        return _PAGES.decode(body)
    except (ValueError, RecursionError):
        # The decoder's own text may quote a value.
        raise Unavailable(f"{server} answered the list of {kind} with something that is not a list.") from None


async def events(
    response: aiohttp.ClientResponse, scope: Scope, *, asked: Asked, bytes_max: int
) -> AsyncGenerator[WatchEvent, None]:
    """The events of a watch until its end. Raises `Gone` or what an ERROR event says, `Unavailable` for nonsense."""
    async for line in _lines(response, asked=asked, bytes_max=bytes_max):
        try:
            event = _EVENTS.decode(line)
        except (ValueError, RecursionError):
            raise Unavailable(f"{asked.server} sent something that is not a watch event to {asked.what}.") from None
        if event.type == "ERROR":
            raise from_status(asked, status=scrub(event.object, asked.secrets))
        if event.type not in _TYPES:
            raise Unavailable(f"{asked.server} sent a watch event of an unknown type to {asked.what}.")
        yield WatchEvent(event.type, _named(event.object, scope))


async def _lines(response: aiohttp.ClientResponse, *, asked: Asked, bytes_max: int) -> AsyncGenerator[bytes, None]:
    """Complete lines; a last one without its end was cut off and is dropped: the next watch brings it again."""
    parts: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        first, newline, after = chunk.partition(b"\n")
        parts.append(first)
        size += len(first)
        if size > bytes_max:
            raise Unavailable(
                f"{asked.server} sent an event of more than {bytes_max} bytes to {asked.what}: the limit."
            )
        if not newline:
            continue
        *whole, last = after.split(b"\n")
        for line in (b"".join(parts), *whole):
            if line:
                yield line
        parts, size = [last], len(last)


def _named(item: Object, scope: Scope) -> Object:
    """Items of a typed list carry no kind of their own, and PartialObjectMetadata carries its own kind."""
    if scope.metadata_only:
        return {"apiVersion": scope.api_version, "kind": scope.kind, "metadata": item.get("metadata") or {}}
    item.setdefault("apiVersion", scope.api_version)
    item.setdefault("kind", scope.kind)
    return item
