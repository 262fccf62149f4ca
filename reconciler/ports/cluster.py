"""The Cluster port: one identity on one API server, seen as objects and requests rather than as HTTP.

Not a policy: it does not order, retry (beyond one transport hiccup), cache objects or decide. Every method raises a
`ClusterError` leaf on refusal. Objects are JSON-compatible dicts as the API server returns them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, NamedTuple, Protocol

Object = dict[str, Any]
Cascade = Literal["Background", "Foreground", "Orphan"]
#: `merge` JSON merge (RFC 7396), `json` JSON patch (RFC 6902), `strategic` strategic merge (built-in kinds only).
PatchType = Literal["merge", "json", "strategic"]


class Resource(NamedTuple):
    """What discovery says of a kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool
    #: Sub-resources served beside it, such as `status`.
    subresources: frozenset[str] = frozenset()


class Ref(NamedTuple):
    """One object. `namespace` is empty for cluster-scoped kinds."""

    api_version: str
    kind: str
    namespace: str
    name: str


class ObjectList(NamedTuple):
    """A page-complete list: all items, and the resource version to watch from."""

    items: list[Object]
    resource_version: str


class WatchEvent(NamedTuple):
    """`ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK` (then only `metadata.resourceVersion` is set)."""

    type: str
    object: Object


class Scope(NamedTuple):
    """What a list or watch looks at: a kind, a namespace (empty: all) and selectors in kubectl's string form.

    `metadata_only` asks for PartialObjectMetadata: `apiVersion`, `kind` and `metadata` of each object, no more.
    """

    api_version: str
    kind: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False


class Cluster(Protocol):
    """One identity on one API server."""

    async def version(self) -> Mapping[str, str]:
        """`/version`: proves that the server answers and speaks Kubernetes (`gitVersion`, `major`, `minor`, …)."""

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Discovery, cached; a miss asks the server again before it raises `NoSuchKind`."""

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        """One object, or the named sub-resource of it."""

    async def list(self, scope: Scope) -> ObjectList:
        """All objects in the scope, paged through on the server's `continue`."""

    def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        """Changes after `resource_version`, with bookmarks, until the server ends the watch.

        Raises `Gone` when the position is too old: list again. Ending is normal: watch again from the last version.
        """

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object: ...

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        """Server-side apply (KEP-555): the fields of `obj` become owned by `manager`.

        Raises `Conflict` with the owners in the causes when `force` is false and another manager owns a field.
        """

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object: ...

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        """PUT; `metadata.resourceVersion`, when given, must be current (`Conflict`)."""

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        """Delete with preconditions: another `uid` or `resource_version` raises `Conflict`, absence `NotFound`."""

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        """TokenRequest: `(token, expirationTimestamp)`."""

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        """The tail of a container's log."""

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        """SelfSubjectAccessReview: may this identity do `verb` to `ref` (an empty name: to any)?"""

    async def close(self) -> None:
        """Release connections. Watches end."""
