"""MemoryCluster: the Cluster port on a world in process, as one identity.

Not a copy of the world: every identity made by `as_user` sees the same objects. Objects given and returned belong to
the caller; nothing here keeps or changes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from reconciler.adapters.memory import (
    controllers,
    convert,
    deletion,
    discovery,
    faults,
    rbac,
    reading,
    registry,
    status,
    tokens,
)
from reconciler.adapters.memory import (
    patch as patches,
)
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.policy import Workloads
from reconciler.adapters.memory.request import ADMIN, Identity, Write, identity_of
from reconciler.adapters.memory.store import Entry
from reconciler.adapters.memory.world import Clock, World
from reconciler.ports.cluster import Cascade, Object, ObjectList, PatchType, Ref, Resource, Scope, WatchEvent

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class MemoryCluster:
    """An API server's behaviour in process.

    `clock` gives seconds since the epoch; nothing else is a source of time, and nothing is a source of chance. Work of
    the cluster's own controllers is done in `tick` only. `history_max` changes are kept for watches.
    """

    def __init__(
        self, clock: Clock, *, workloads: Workloads | None = None, history_max: int = 20_000, name: str = "memory"
    ) -> None:
        world = World(clock, history_max=history_max, name=name)
        controllers.install(world, workloads or Workloads())
        self._bind(world, ADMIN, "unknown", faults.Hooks())
        controllers.bootstrap(world)

    def _bind(self, world: World, identity: Identity, manager: str, hooks: faults.Hooks) -> None:
        self.world = world
        self.identity = identity
        self.hooks = hooks
        self._manager = manager

    def as_user(self, user: str, *, groups: tuple[str, ...] = (), manager: str = "") -> MemoryCluster:
        """The same cluster as another identity: `system:serviceaccount:<namespace>:<name>` or any user's name.

        `groups` are added to those that authentication adds; `system:masters` is not restricted. `manager` names the
        field manager of writes that do not name one.
        """
        found = identity_of(user)
        view = object.__new__(MemoryCluster)
        view._bind(self.world, Identity(user, found.groups | set(groups)), manager or self._manager, self.hooks)
        return view

    # Time

    async def tick(self) -> int:
        """Does what is due at the clock's time. Returns the number of steps done."""
        return self.world.tick()

    def next_due(self) -> float | None:
        """When the next work is due, in the clock's seconds; None when nothing is."""
        return self.world.timers.next_due()

    # Watches and faults

    def drop_watches(self, *, api_version: str = "", kind: str = "", error: Exception | None = None) -> int:
        """Ends open watches, of one kind or all, as a server does that goes away. Returns how many."""
        wanted = self.world.catalog.kind(api_version, kind).storage if kind else None
        return reading.drop(self.world, wanted, error=error)

    def send_bookmarks(self) -> None:
        """Sends every open watch a bookmark at the current resource version."""
        reading.bookmark(self.world)

    def forget_history(self) -> None:
        """Makes every resource version before now too old to watch from."""
        self.world.store.forget_history()

    # The port

    async def version(self) -> Mapping[str, str]:
        await self.hooks.call("version", None)
        return discovery.VERSION

    async def resource(self, api_version: str, kind: str) -> Resource:
        await self.hooks.call("discover", None)
        found = self.world.catalog.kind(api_version, kind)
        return Resource(found.api_version, found.kind, found.plural, found.namespaced, found.subresources)

    async def get(self, ref: Ref, *, subresource: str = "") -> Object:
        async with self.hooks.around("get", ref):
            kind = self._admit("get", ref, subresource)
            if subresource not in ("", "status"):
                raise status.unsupported(f"reading the sub-resource {subresource} of {kind.resource}")
            return self._out(kind, registry.read(self.world, kind, at=self._at(kind, ref)))

    async def list(self, scope: Scope) -> ObjectList:
        async with self.hooks.around("list", scope_ref(scope)):
            kind = self._admit("list", scope_ref(scope))
            return reading.list_objects(self.world, kind, scope=scope)

    async def watch(self, scope: Scope, *, resource_version: str) -> AsyncIterator[WatchEvent]:
        await self.hooks.call("watch", scope_ref(scope))
        kind = self._admit("watch", scope_ref(scope))
        async for event in reading.watch(self.world, kind, scope=scope, resource_version=resource_version):
            yield event

    async def create(self, obj: Object, *, dry_run: bool = False) -> Object:
        return await self.create_as(obj, Write(self._manager, dry_run))

    async def create_as(self, obj: Object, write: Write) -> Object:
        """`create` with everything a request can say; for the HTTP face."""
        ref = ref_of(obj)
        async with self.hooks.around("create", ref):
            kind = self._admit("create", ref._replace(name=""))
            obj = convert.incoming(kind, self._in(kind, obj))
            rbac.check_escalation(self.world, self.identity, obj=obj, kind=kind)
            return self._out(kind, registry.create(self.world, kind, obj=obj, write=write))

    async def apply(self, obj: Object, *, manager: str, force: bool = True, dry_run: bool = False) -> Object:
        return await self.apply_as(obj, Write(manager, dry_run), force=force)

    async def apply_as(self, obj: Object, write: Write, *, force: bool) -> Object:
        """`apply` with everything a request can say; for the HTTP face."""
        ref = ref_of(obj)
        async with self.hooks.around("apply", ref):
            kind = self._admit("patch", ref, write.subresource)
            if not ref.name:
                raise status.bad_request("name is required: server-side apply needs metadata.name")
            if self.world.store.get(self._at(kind, ref)) is None and not write.subresource:
                self._admit("create", ref._replace(name=""))
            config = convert.incoming(kind, self._in(kind, obj))
            rbac.check_escalation(self.world, self.identity, obj=config, kind=kind)
            return self._out(kind, registry.apply(self.world, kind, config=config, write=write, force=force))

    async def patch(
        self, ref: Ref, patch: Any, *, type: PatchType, manager: str = "", subresource: str = "", dry_run: bool = False
    ) -> Object:
        return await self.patch_as(ref, patch, type, Write(manager or self._manager, dry_run, subresource))

    async def patch_as(self, ref: Ref, patch: Any, type_: PatchType, write: Write) -> Object:
        """`patch` with everything a request can say; for the HTTP face."""
        async with self.hooks.around("patch", ref):
            kind = self._admit("patch", ref, write.subresource)
            entry = registry.read(self.world, kind, at=self._at(kind, ref))
            new = self._patched(kind, entry, _decode(_encode(patch)), type_)
            rbac.check_escalation(self.world, self.identity, obj=new, kind=kind)
            return self._out(kind, registry.update(self.world, kind, entry=entry, new=new, write=write))

    def _patched(self, kind: Kind, entry: Entry, patch: Any, type_: PatchType) -> Object:
        if type_ == "strategic" and not kind.type_name:
            raise status.unsupported_media_type()
        target = convert.outgoing(kind, entry.obj)
        if type_ != "json" and not isinstance(patch, dict):
            text = "json: cannot unmarshal array into Go value of type map[string]interface {}"
            raise status.bad_request(f"error decoding patch: {text}")
        try:
            if type_ == "merge":
                new = patches.merge(target, patch)
            elif type_ == "json":
                new = patches.json(target, patch)
            else:
                new = patches.strategic(target, patch, schema=self.world.catalog.schema(kind))
        except patches.PatchError as error:
            raise status.patch_refused(str(error), error.code) from None
        return convert.incoming(kind, new)

    async def replace(self, obj: Object, *, subresource: str = "") -> Object:
        return await self.replace_as(obj, Write(self._manager, False, subresource))

    async def replace_as(self, obj: Object, write: Write) -> Object:
        """`replace` with everything a request can say; for the HTTP face."""
        ref = ref_of(obj)
        async with self.hooks.around("replace", ref):
            kind = self._admit("update", ref, write.subresource)
            entry = registry.read(self.world, kind, at=self._at(kind, ref))
            new = convert.incoming(kind, self._in(kind, obj))
            rbac.check_escalation(self.world, self.identity, obj=new, kind=kind)
            return self._out(kind, registry.update(self.world, kind, entry=entry, new=new, write=write))

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        async with self.hooks.around("delete", ref):
            kind = self._admit("delete", ref)
            entry = registry.read(self.world, kind, at=self._at(kind, ref))
            deletion.delete(self.world, entry, uid=uid, resource_version=resource_version, cascade=cascade)

    async def token(self, namespace: str, service_account: str, *, expires_s: int) -> tuple[str, str]:
        ref = Ref("v1", "ServiceAccount", namespace, service_account)
        async with self.hooks.around("token", ref):
            kind = self._admit("create", ref, "token")
            registry.read(self.world, kind, at=self._at(kind, ref))
            return tokens.issue(self.world, namespace, service_account=service_account, expires_s=expires_s)

    async def logs(self, namespace: str, pod: str, *, container: str = "", tail_lines: int = 100) -> str:
        ref = Ref("v1", "Pod", namespace, pod)
        async with self.hooks.around("logs", ref):
            kind = self._admit("get", ref, "log")
            entry = registry.read(self.world, kind, at=self._at(kind, ref))
            return reading.log_tail(self.world, entry.obj, container=container, tail_lines=tail_lines)

    async def allowed(self, verb: str, ref: Ref, *, subresource: str = "") -> bool:
        await self.hooks.call("allowed", ref)
        kind = self.world.catalog.kind(ref.api_version, ref.kind)
        asked = rbac.of(kind, verb, namespace=ref.namespace, name=ref.name, subresource=subresource)
        return rbac.allowed(self.world, self.identity, asked=asked)

    async def close(self) -> None:
        """Nothing to release: watches end with their readers."""

    # Beside the port

    def set_logs(self, namespace: str, pod: str, text: str, *, container: str = "") -> None:
        """Sets the log of a Pod's container, for tests that need other words than the workload policy's."""
        kind = self.world.catalog.kind("v1", "Pod")
        entry = registry.read(self.world, kind, at=self.world.location(kind, namespace, pod))
        self.world.logs[(entry.obj["metadata"]["uid"], container)] = text

    def authenticate(self, token: str) -> MemoryCluster | None:
        """The cluster as the service account that a token was issued to; None when it is unknown or has expired."""
        user = tokens.user_of(self.world, token)
        return self.as_user(user) if user else None

    def _admit(self, verb: str, ref: Ref, subresource: str = "") -> Kind:
        kind = self.world.catalog.kind(ref.api_version, ref.kind)
        asked = rbac.of(kind, verb, namespace=ref.namespace, name=ref.name, subresource=subresource)
        if not self.identity.unrestricted and not rbac.allowed(self.world, self.identity, asked=asked):
            raise rbac.refuse(asked, self.identity)
        if subresource and subresource not in kind.subresources:
            raise status.not_found(kind, ref.name)
        return kind

    def _at(self, kind: Kind, ref: Ref) -> Any:
        return self.world.location(kind, ref.namespace, ref.name)

    def _in(self, kind: Kind, obj: Object) -> Object:
        if kind.namespaced and not (obj.get("metadata") or {}).get("namespace"):
            raise status.bad_request("an empty namespace may not be set during creation")
        try:
            found: Object = _decode(_encode(obj))
        except (TypeError, ValueError) as error:
            raise status.bad_request(f"the object is not JSON: {error}") from None
        return found

    def _out(self, kind: Kind, entry: Entry) -> Object:
        return convert.outgoing(kind, entry.copy())


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """Which object a manifest is. Raises `BadRequest` when it says neither apiVersion nor kind."""
    metadata = obj.get("metadata") or {}
    if not obj.get("apiVersion") or not obj.get("kind"):
        raise status.bad_request("Object 'Kind' is missing: a manifest needs apiVersion and kind")
    return Ref(obj["apiVersion"], obj["kind"], metadata.get("namespace") or "", metadata.get("name") or "")


def scope_ref(scope: Scope) -> Ref:
    """The part of a scope that authorization looks at."""
    return Ref(scope.api_version, scope.kind, scope.namespace, "")
