"""What an API server serves, by group version: cached, asked again once when a kind is missing.

Not a schema: fields are not known here. Invariant: an answer is never guessed from a kind's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from reconciler.errors import NoSuchKind, NotFound, Unavailable
from reconciler.ports.cluster import Resource


class _Served(msgspec.Struct, frozen=True):
    name: str
    kind: str
    namespaced: bool


class _ServedList(msgspec.Struct, frozen=True):
    resources: list[_Served] | None = None


class Discovery:
    """The kinds of one server. `fetch` returns the APIResourceList of a group version, as bytes."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]], *, server: str) -> None:
        self._fetch = fetch
        self._server = server
        self._known: dict[str, dict[str, Resource]] = {}
        self._asking = asyncio.Lock()

    async def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind. Raises `NoSuchKind` when the server, just asked, does not serve it."""
        known = self._known.get(api_version)
        if known is not None and kind in known:
            return known[kind]
        async with self._asking:
            # Somebody else may have asked while this one waited for the lock.
            latest = self._known.get(api_version)
            if latest is None or latest is known:
                latest = self._known[api_version] = await self._ask(api_version)
        if kind not in latest:
            raise NoSuchKind(
                f'{self._server} does not serve kind "{kind}" of "{api_version}": '
                "install its CustomResourceDefinition, or correct apiVersion and kind."
            )
        return latest[kind]

    def forget(self, api_version: str) -> None:
        """A path of this group version was not found: ask again before it is used again."""
        self._known.pop(api_version, None)

    async def _ask(self, api_version: str) -> dict[str, Resource]:
        try:
            body = await self._fetch(api_version)
        except (NotFound, NoSuchKind):
            return {}
        try:
            served = msgspec.json.decode(body, type=_ServedList).resources or []
        except (ValueError, RecursionError):
            raise Unavailable(
                f'{self._server} answered discovery of "{api_version}" with no APIResourceList.'
            ) from None
        return _resources(api_version, served)


def _resources(api_version: str, served: list[_Served]) -> dict[str, Resource]:
    subresources: dict[str, set[str]] = {}
    for item in served:
        plural, slash, subresource = item.name.partition("/")
        if slash:
            subresources.setdefault(plural, set()).add(subresource)
    found: dict[str, Resource] = {}
    for item in served:
        if "/" not in item.name and item.kind not in found:
            subs = frozenset(subresources.get(item.name, ()))
            found[item.kind] = Resource(api_version, item.kind, item.name, item.namespaced, subs)
    return found
