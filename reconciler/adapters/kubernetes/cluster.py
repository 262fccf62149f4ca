"""The Cluster port on a real API server: one identity, seen as objects.

Not a policy: it does not order, retry or cache objects. Invariants: raw JSON through msgspec, no generated models; an
object's own fields decide its path, and discovery its plural.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from reconciler.adapters.kubernetes import paths, reviews, watching
from reconciler.adapters.kubernetes.discovery import Discovery
from reconciler.adapters.kubernetes.failures import UNANSWERED, from_transport
from reconciler.adapters.kubernetes.identity import Bearer, Identity, Impersonating, TokenSource
from reconciler.adapters.kubernetes.server import JSON, Call, Server
from reconciler.errors import BadRequest, NoSuchKind, TooManyRequests, Unavailable
from reconciler.ports.cluster import Cascade, Cluster, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent

#: Of creations and replacements, for which the port names none.
FIELD_MANAGER = "stageset-controller"
#: Server-side apply takes YAML, and JSON is YAML (KEP-555).
_APPLY = "application/apply-patch+yaml"
_PATCHES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class KubernetesCluster:
    """One identity on one API server. Make one with `connect.from_kubeconfig` and its neighbours, not directly.

    `jitter` returns a number in [0, 1) and spreads the ends of watches.
    """

    def __init__(
        self,
        server: Server,
        identity: Identity,
        *,
        jitter: Callable[[], float],
        root: KubernetesCluster | None = None,
        bare: bool = False,
    ) -> None:
        self._server, self._identity, self._jitter, self._bare = server, identity, jitter, bare
        self._root = root
        self._watching: set[aiohttp.ClientResponse] = set()
        self._closed = False
        self._discovery: Discovery = root._discovery if root else Discovery(self._group_version, server=server.name)

    @property
    def server(self) -> str:
        """`https://host:port`, for sentences."""
        return self._server.name

    @property
    def identity(self) -> str:
        """Who asks, for sentences."""
        return self._identity.name

    @property
    def spent(self) -> bool:
        """Whether the server refused the credential and there is no other: a new client is needed."""
        return self._identity.spent

    def as_service_account(self, tokens: TokenSource, *, name: str) -> KubernetesCluster:
        """The same server as the bearer of `tokens` and nobody else; `name` is for sentences."""
        return self._derived(Bearer(tokens, name=name), bare=True)

    def impersonating(self, user: str) -> KubernetesCluster:
        """The same server with this identity's credential and `Impersonate-User: user`."""
        return self._derived(Impersonating(self._identity, user=user), bare=self._bare)

    async def version(self) -> Mapping[str, str]:
        answer = await self._json(Call("GET", "/version", "GET /version"))
        if not isinstance(answer, dict) or not isinstance(answer.get("gitVersion"), str):
            raise Unavailable(f"{self.server} answered /version with something else: it is no Kubernetes API server.")
        return {key: str(value) for key, value in answer.items()}

    async def resource(self, api_version: str, kind: str) -> Resource:
        return await self._discovery.resource(api_version, kind)

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        resource = await self._resource_of(ref)
        return await self._object(
            Call("GET", paths.object_path(resource, ref=ref, subresource=subresource), _what("GET", ref)), ref
        )

    async def list(self, scope: Scope) -> ObjectList:
        return await watching.whole(lambda: self.pages(scope))

    async def pages(self, scope: Scope) -> AsyncGenerator[ObjectList, None]:
        """The list page by page, for those that do not need all of it at once; `watches.shared.Paged`."""
        resource = await self.resource(scope.api_version, scope.kind)
        path = paths.collection_path(resource, namespace=scope.namespace)
        accept = watching.accept(scope, listing=True)

        async def fetch(limit: int, token: str) -> bytes:
            query = paths.with_query(path, limit=limit, **{"continue": token}, **paths.scope_query(scope))
            return await self._bytes(Call("GET", query, _what_scope("LIST", scope), accept=accept), scope.api_version)

        async for page in watching.pages(fetch, scope, limits=self._server.limits, server=self.server):
            yield page

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncGenerator[WatchEvent, None]:
        resource = await self.resource(scope.api_version, scope.kind)
        limits = self._server.limits
        seconds = int(limits.watch_s * (1 + self._jitter())) or 1
        path = paths.with_query(
            paths.collection_path(resource, namespace=scope.namespace),
            watch=True,
            allowWatchBookmarks=True,
            resourceVersion=resource_version,
            timeoutSeconds=seconds,
            **paths.scope_query(scope),
        )
        call = Call("GET", path, _what_scope("WATCH", scope), accept=watching.accept(scope, listing=False))
        async with aclosing(self._events(call, scope, total_s=seconds + limits.watch_margin_s)) as events:
            async for event in events:
                yield event

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        ref = _ref(obj, named=False)
        resource = await self._resource_of(ref)
        paths.require_namespace(resource, ref=ref)
        path = paths.with_query(
            paths.collection_path(resource, namespace=ref.namespace),
            fieldManager=FIELD_MANAGER,
            dryRun=_dry(dry_run),
        )
        return await self._object(_write("POST", path, obj, ref=ref), ref)

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        ref = _ref(obj)
        path = paths.with_query(
            paths.object_path(await self._resource_of(ref), ref=ref),
            fieldManager=manager,
            force=force,
            dryRun=_dry(dry_run),
        )
        # Applying the same fields again changes nothing, so a broken connection is no reason to fail.
        return await self._object(
            _write("PATCH", path, obj, ref=ref, content_type=_APPLY)._replace(repeatable=True), ref
        )

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        path = paths.with_query(
            paths.object_path(await self._resource_of(ref), ref=ref, subresource=subresource),
            fieldManager=manager,
            dryRun=_dry(dry_run),
        )
        return await self._object(_write("PATCH", path, patch, ref=ref, content_type=_PATCHES[type]), ref)

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        ref = _ref(obj)
        path = paths.object_path(await self._resource_of(ref), ref=ref, subresource=subresource)
        path = paths.with_query(path, fieldManager=FIELD_MANAGER)
        return await self._object(_write("PUT", path, obj, ref=ref), ref)

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        path = paths.object_path(await self._resource_of(ref), ref=ref)
        options = reviews.delete_options(uid=uid, resource_version=resource_version, cascade=cascade)
        await self._bytes(_write("DELETE", path, options, ref=ref), ref.api_version)

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        ref = Ref("v1", "ServiceAccount", namespace, service_account)
        path = paths.object_path(reviews.SERVICE_ACCOUNTS, ref=ref, subresource="token")
        answer = await self._json(_write("POST", path, reviews.token_request(expires_s), ref=ref))
        return reviews.token_of(answer, server=self.server)

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        ref = Ref("v1", "Pod", namespace, pod)
        path = paths.with_query(
            paths.object_path(reviews.PODS, ref=ref, subresource="log"),
            container=container,
            tailLines=tail_lines,
            limitBytes=self._server.limits.log_bytes_max,
        )
        return (await self._bytes(Call("GET", path, _what("LOG", ref), accept="*/*"), "")).decode("utf-8", "replace")

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        resource = await self._resource_of(ref)
        body = _encode(reviews.access_review(verb, ref, plural=resource.plural, subresource=subresource))
        call = Call("POST", reviews.ACCESS_REVIEWS, f"ask whether it may {_what(verb, ref)}", body, repeatable=True)
        return reviews.is_allowed(await self._json(call))

    async def close(self) -> None:
        """End this identity's watches; the identity that all others derive from also closes the connections."""
        self._closed = True
        for response in tuple(self._watching):
            response.close()
        if self._root is None:
            await self._server.close()

    def _derived(self, identity: Identity, *, bare: bool) -> KubernetesCluster:
        return KubernetesCluster(
            self._server,
            identity,
            jitter=self._jitter,
            root=self._root or self,
            bare=bare,
        )

    async def _events(self, call: Call, scope: Scope, *, total_s: float) -> AsyncGenerator[WatchEvent, None]:
        try:
            async with self._server.stream(call, identity=self._identity, bare=self._bare, total_s=total_s) as (
                response,
                asked,
            ):
                self._watching.add(response)
                try:
                    lines = watching.events(response, scope, asked=asked, bytes_max=self._server.limits.event_bytes_max)
                    async with aclosing(lines):
                        async for event in lines:
                            yield event
                finally:
                    self._watching.discard(response)
        except NoSuchKind:
            self._discovery.forget(scope.api_version)
            raise
        except UNANSWERED as error:
            if not (self._closed or self._server.closed):
                raise from_transport(
                    self._server.asked(call, identity=self._identity), error=error, timeout_s=total_s
                ) from None

    async def _group_version(self, api_version: str) -> bytes:
        call = Call("GET", paths.group_path(api_version), f"discover {api_version}")
        return await self._bytes(call, "")

    async def _resource_of(self, ref: Ref) -> Resource:
        return await self._discovery.resource(ref.api_version, ref.kind)

    async def _object(self, call: Call, ref: Ref) -> Object:
        value = self._decoded(await self._bytes(call, ref.api_version), call)
        if not isinstance(value, dict):
            raise Unavailable(f"{self.server} answered {call.what} with something that is not an object.")
        return value

    async def _json(self, call: Call) -> Any:
        return self._decoded(await self._bytes(call, ""), call)

    def _decoded(self, body: bytes, call: Call) -> Any:
        try:
            return _decode(body)
        except (ValueError, RecursionError):
            # The decoder's own text may quote a value.
            raise Unavailable(f"{self.server} answered {call.what} with {len(body)} bytes that are not JSON.") from None

    async def _bytes(self, call: Call, api_version: str) -> bytes:
        if self._closed:
            raise Unavailable(f"{self.server} was not asked to {call.what}: this identity is closed.")
        try:
            return await self._server.send(call, identity=self._identity, bare=self._bare)
        except TooManyRequests as error:
            # Spread, so that those who were sent away do not come back together.
            self._server.rest(error.retry_after_s * (1 + self._jitter()))
            raise
        except NoSuchKind:
            if api_version:
                self._discovery.forget(api_version)
            raise


if TYPE_CHECKING:
    #: Checked by mypy: the class is an implementation of the port.
    _PORT: type[Cluster] = KubernetesCluster


def _write(method: str, path: str, value: Any, *, ref: Ref, content_type: str = JSON) -> Call:
    sensitive = ref.kind == "Secret" and ref.api_version == "v1"
    return Call(method, path, _what(method, ref), _encode(value), content_type, sensitive=sensitive)


def _what(verb: str, ref: Ref) -> str:
    return f"{verb} {ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{verb} {ref.kind} {ref.name}"


def _what_scope(verb: str, scope: Scope) -> str:
    return f"{verb} {scope.kind} in {scope.namespace or 'all namespaces'}"


def _dry(dry_run: bool) -> str:
    return "All" if dry_run else ""


def _ref(obj: Object, *, named: bool = True) -> Ref:
    """The reference that an object makes of itself. Raises `BadRequest` for what is missing."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    ref = Ref(
        str(obj.get("apiVersion") or ""),
        str(obj.get("kind") or ""),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )
    for field, value in (("apiVersion", ref.api_version), ("kind", ref.kind), ("metadata.name", ref.name or not named)):
        if not value:
            raise BadRequest(f"An object ({_what('', ref).strip()}) has no {field}; set it.")
    return ref
