"""Create, update, apply and delete as the API server does them: decoding, defaults, validation, ownership, storage.

Not authorization and not requests: callers have asked those before. Nothing is written unless everything held; an
update that changes nothing leaves the resource version as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler import errors
from reconciler.adapters.memory import (
    celrules,
    crds,
    decoding,
    defaults,
    metadata,
    ownership,
    rules,
    services,
    status,
    strategy,
    typed,
    validation,
)
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.ownership import Manager, Managers, Writer
from reconciler.adapters.memory.request import Write
from reconciler.adapters.memory.status import Cause
from reconciler.adapters.memory.store import Entry, Location
from reconciler.adapters.memory.world import World

Object = dict[str, Any]


def read(world: World, kind: Kind, *, at: Location) -> Entry:
    """The stored object. Raises `NotFound`."""
    entry = world.store.get(at)
    if entry is None:
        raise status.not_found(kind, at.name)
    return entry


def create(world: World, kind: Kind, *, obj: Object, write: Write) -> Entry:
    """POST. Raises `AlreadyExists`, `Invalid`, `NotFound` (the namespace), `Forbidden` (a namespace being deleted)."""
    obj = _named(world, _decoded(world, kind, obj=obj, write=write))
    managers = ownership.update(
        {},
        _bare(obj),
        schema=world.catalog.schema(kind),
        managers={},
        writer=_writer(world, kind, write=write, operation="Update"),
    )
    return _insert(world, kind, wanted=Wanted(obj, managers), write=write)


class Wanted(NamedTuple):
    """An object as it shall be, and who owns what of it."""

    obj: Object
    managers: Managers


def _insert(world: World, kind: Kind, *, wanted: Wanted, write: Write) -> Entry:
    obj = wanted.obj
    at = world.location(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
    _check_namespace(world, kind, at=at)
    refuse(kind, at.name, causes=services.check(world, kind, at=at, obj=obj, dry_run=write.dry_run))
    obj = strategy.prepare_create(world, kind, obj=obj)
    refuse(kind, at.name, causes=_causes(world, kind, old={}, new=obj))
    # Only storage knows that a name is taken: what is not valid is refused before.
    taken = world.store.get(at)
    if taken is not None:
        raise status.already_exists(kind, at.name, going="deletionTimestamp" in taken.obj["metadata"])
    fields = ownership.encode(wanted.managers)
    meta = {**obj["metadata"], **({"managedFields": fields} if fields else {})}
    return _store(world, at, obj={**obj, "metadata": meta}, write=write)


def _store(world: World, at: Location, *, obj: Object, write: Write) -> Entry:
    return Entry(obj, 0) if write.dry_run else world.store.put(at, obj)


def refuse(kind: Kind, name: str, *, causes: list[Cause]) -> None:
    """Raises `Invalid` with the causes, if there are any."""
    if causes:
        raise status.invalid_object(kind, name, causes=causes)


def _check_namespace(world: World, kind: Kind, *, at: Location) -> None:
    if not kind.namespaced:
        return
    namespaces = world.catalog.kind("v1", "Namespace")
    entry = world.store.get(world.location(namespaces, "", at.namespace))
    if entry is None:
        raise status.not_found(namespaces, at.namespace)
    if entry.obj["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {at.namespace} because it is being terminated"
        cause = {"reason": "NamespaceTerminating", "message": f"namespace {at.namespace} is being terminated",
                 "field": "metadata.namespace"}  # fmt: skip
        raise status.make(
            errors.Forbidden, f'{kind.resource} "{at.name}" is forbidden: {why}',
            details={"name": at.name, "group": kind.group, "kind": kind.plural, "causes": [cause]},
        )  # fmt: skip


def _decoded(world: World, kind: Kind, *, obj: Object, write: Write) -> Object:
    """The request's object without unknown fields, with the defaults of its kind. Raises `BadRequest`."""

    def unreadable(why: str) -> errors.ClusterError:
        named = f'{kind.kind} in version "{kind.version}"'
        return status.bad_request(f"{named} cannot be handled as a {kind.kind}: {why}")

    schema = world.catalog.schema(kind)
    if kind.type_name and (wrong := decoding.unmarshal_error(obj, schema)):
        raise unreadable(wrong)
    found = decoding.decode(obj, schema)
    if write.strict and found.unknown:
        raise unreadable("strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in found.unknown))
    value = strategy.tidy({**found.value, "metadata": found.value.get("metadata") or {}})
    return _with_defaults(world, kind, obj=value)


def _with_defaults(world: World, kind: Kind, *, obj: Object) -> Object:
    if kind.type_name:
        return defaults.fill(kind.kind, obj)
    filled: Object = decoding.with_defaults(obj, world.catalog.schema(kind))
    return filled


def _named(world: World, obj: Object) -> Object:
    meta = obj["metadata"]
    if meta.get("generateName") and not meta.get("name"):
        return {**obj, "metadata": {**meta, "name": meta["generateName"] + metadata.suffix(world.count())}}
    return {**obj, "metadata": {"name": "", **meta}}


def _causes(world: World, kind: Kind, *, old: Object, new: Object) -> list[Cause]:
    found = metadata.check(kind, new)
    if kind.kind == "CustomResourceDefinition" and kind.type_name:
        found += crds.check(new)
    if kind.type_name:
        return found + rules.check(kind.kind, new) + (rules.check_update(kind.kind, old, new=new) if old else [])
    schema = world.catalog.schema(kind)
    served = world.catalog.custom(kind)
    found += [c for c in validation.validate(new, schema) if not c.field.startswith("metadata")]
    rules_of_kind = served.rules if served else []
    return celrules.check_after(found, rules_of_kind, schema=schema, old=old or None, new=new)


def _bare(obj: Object) -> Object:
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": meta}


def _writer(world: World, kind: Kind, *, write: Write, operation: str) -> Writer:
    version = "" if operation == "Apply" else kind.api_version
    manager = Manager(write.manager or "unknown", operation, version, write.subresource)
    return Writer(manager, kind.api_version, kind.has_status, world.time_text())


def update(world: World, kind: Kind, *, entry: Entry, new: Object, write: Write) -> Entry:
    """PUT or PATCH: `new` is the whole object wanted. Raises `Conflict`, `Invalid`, `BadRequest`."""
    old = entry.obj
    _check_preconditions(kind, old, new=new)
    new = _decoded(world, kind, obj=new, write=write)
    new = strategy.confine(kind, old, new=new, subresource=write.subresource)
    managers = ownership.decode(_entries(old, new, write=write))
    if managers or old["metadata"].get("managedFields"):
        writer = _writer(world, kind, write=write, operation="Update")
        managers = ownership.update(
            _bare(old), _bare(new), schema=world.catalog.schema(kind), managers=managers, writer=writer
        )
    return _commit(world, kind, entry=entry, wanted=Wanted(new, managers), write=write)


def _entries(old: Object, new: Object, *, write: Write) -> list[Any] | None:
    """Clients may set `managedFields` themselves; one empty entry resets it."""
    given = new["metadata"].get("managedFields")
    if write.subresource or not given:
        found: list[Any] | None = old["metadata"].get("managedFields")
        return found
    return [] if given == [{}] else list(given)


def _check_preconditions(kind: Kind, old: Object, *, new: Object) -> None:
    meta, now = new.get("metadata") or {}, old["metadata"]
    if meta.get("name") and meta["name"] != now["name"]:
        raise status.bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({now['name']})"
        )
    if meta.get("uid") and meta["uid"] != now["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {now['uid']}"
        raise status.conflict(kind, now["name"], why=why)
    if meta.get("resourceVersion") and meta["resourceVersion"] != now["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise status.conflict(kind, now["name"], why=why)


def _commit(world: World, kind: Kind, *, entry: Entry, wanted: Wanted, write: Write) -> Entry:
    old = entry.obj
    new = strategy.prepare_update(kind, old, new=wanted.obj)
    refuse(
        kind, old["metadata"]["name"], causes=metadata.check_update(old, new) + _causes(world, kind, old=old, new=new)
    )
    fields = ownership.encode(wanted.managers)
    now = old["metadata"]
    meta = {k: v for k, v in new["metadata"].items() if k != "managedFields"} | {
        "resourceVersion": now["resourceVersion"]
    }
    if typed.same(
        {**new, "metadata": meta}, {**old, "metadata": {k: v for k, v in now.items() if k != "managedFields"}}
    ) and _timeless(fields) == _timeless(now.get("managedFields") or []):
        return entry
    new = {**new, "metadata": {**meta, **({"managedFields": fields} if fields else {})}}
    at = world.location(kind, now.get("namespace", ""), now["name"])
    if now.get("deletionTimestamp") and not meta.get("finalizers") and not strategy.holds(kind, new):
        return _gone(world, at, new=new, write=write)
    return _store(world, at, obj=new, write=write)


def _timeless(fields: list[Any]) -> list[Any]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in fields]


def _gone(world: World, at: Location, *, new: Object, write: Write) -> Entry:
    """The last finalizer was removed: the update is the deletion."""
    if write.dry_run:
        return Entry(new, 0)
    world.store.put(at, new)
    return world.store.remove(at)


def apply(world: World, kind: Kind, *, config: Object, write: Write, force: bool) -> Entry:
    """Server-side apply. Raises `Conflict` with the owners as causes, and all that create and update raise."""
    meta = config.get("metadata") or {}
    if meta.get("managedFields") is not None:
        raise status.bad_request("metadata.managedFields must be nil")
    schema = world.catalog.schema(kind)
    at = world.location(kind, meta.get("namespace", ""), meta.get("name", ""))
    if wrong := decoding.typed_error(config, schema):
        where = f"{at.namespace}/{at.name}; {kind.api_version}, Kind={kind.kind}"
        raise status.internal(f"failed to create typed patch object ({where}): {wrong}")
    entry = world.store.get(at)
    if entry is None and write.subresource:
        raise status.not_found(kind, at.name)
    if entry is None and meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {meta['uid']}, and no existing object was found"
        raise status.conflict(kind, at.name, why=why)
    config = decoding.decode(config, schema).value
    live = _bare(entry.obj) if entry else {}
    writer = _writer(world, kind, write=write, operation="Apply")._replace(force=force)
    managers = _managers_of(world, kind, entry=entry)
    try:
        merged, managers = ownership.apply(live, config, schema=schema, managers=managers, writer=writer)
    except ownership.FieldConflict as conflict:
        details = {"name": at.name, "group": kind.group, "kind": kind.plural, "causes": conflict.causes}
        raise status.make(errors.Conflict, str(conflict), details=details) from None
    merged = strategy.tidy({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, **merged})
    merged = _with_defaults(world, kind, obj=merged)
    if entry is None:
        return _insert(world, kind, wanted=Wanted(merged, managers), write=write)
    _check_preconditions(kind, entry.obj, new=config)
    confined = strategy.confine(kind, entry.obj, new=merged, subresource=write.subresource)
    return _commit(world, kind, entry=entry, wanted=Wanted(confined, managers), write=write)


def _managers_of(world: World, kind: Kind, *, entry: Entry | None) -> Managers:
    """Objects without ownership get it at the first apply: all that is there is `before-first-apply`'s."""
    if entry is None:
        return {}
    fields = entry.obj["metadata"].get("managedFields")
    if fields:
        return ownership.decode(fields)
    writer = _writer(world, kind, write=Write("before-first-apply"), operation="Update")
    return ownership.update({}, _bare(entry.obj), schema=world.catalog.schema(kind), managers={}, writer=writer)
