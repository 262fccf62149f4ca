"""Deletion: preconditions, finalizers, cascades, and the collector that deletes what lost its owners.

The collector and the namespace controller work in `World.tick`, as the real ones work a moment later.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import status
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.store import Change, Entry, Location
from reconciler.adapters.memory.world import World
from reconciler.ports.cluster import Cascade

Object = dict[str, Any]
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


def delete(
    world: World, entry: Entry, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
) -> Entry:
    """DELETE. Returns the last state, or the state that waits for its finalizers.

    Raises `Conflict` when the object has another `uid` or `resource_version` than asked for.
    """
    kind = world.catalog.kind(entry.obj["apiVersion"], entry.obj["kind"])
    meta = entry.obj["metadata"]
    _check(kind, meta, what="UID", wanted=uid, found=meta["uid"])
    _check(kind, meta, what="ResourceVersion", wanted=resource_version, found=meta["resourceVersion"])
    at = world.location(kind, meta.get("namespace", ""), meta["name"])
    finalizers = list(meta.get("finalizers") or ())
    own = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(cascade)
    if own and own not in finalizers and (own == ORPHAN or world.store.dependents(meta["uid"])):
        finalizers.append(own)
    waits = finalizers or (kind.type_name and kind.kind == "Namespace")
    if not waits:
        return world.store.remove(at)
    return _mark(world, at, entry=entry, finalizers=finalizers)


def _check(kind: Kind, meta: Object, *, what: str, wanted: str, found: str) -> None:
    if wanted and wanted != found:
        might = "deleted and then recreated" if what == "UID" else "modified"
        why = (
            f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). "
            f"The object might have been {might}"
        )
        raise status.precondition(kind, meta["name"], why=why)


def _mark(world: World, at: Location, *, entry: Entry, finalizers: list[str]) -> Entry:
    """Sets `deletionTimestamp`, once."""
    meta = {**entry.obj["metadata"]}
    if finalizers:
        meta["finalizers"] = finalizers
    if "deletionTimestamp" not in meta:
        meta |= {"deletionTimestamp": world.time_text(), "deletionGracePeriodSeconds": 0}
        if "generation" in meta:
            meta["generation"] += 1
    elif meta.get("finalizers") == entry.obj["metadata"].get("finalizers"):
        return entry
    obj = {**entry.obj, "metadata": meta}
    if at.storage == ("", "namespaces"):
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        meta.pop("deletionGracePeriodSeconds", None)
    return world.store.put(at, obj)


def install(world: World) -> None:
    """Adds the collector and the namespace controller to a world."""
    world.handlers["gc"] = _collect
    world.handlers["gc-children"] = _children
    world.handlers["namespace"] = _empty_namespace
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    meta = change.entry.obj["metadata"]
    deleted = change.type == "DELETED"
    if deleted or (set(meta.get("finalizers") or ()) & {FOREGROUND, ORPHAN} and "deletionTimestamp" in meta):
        world.later(0, "gc-children", meta["uid"])
    owners = meta.get("ownerReferences") or ()
    for owner in owners if deleted else ():
        world.later(0, "gc-children", owner["uid"])
    if owners and change.type == "ADDED":
        world.later(0, "gc", meta["uid"])
    if change.at.storage == ("", "namespaces") and "deletionTimestamp" in meta and not deleted:
        world.later(0, "namespace", meta["name"])
    if deleted and change.at.namespace:
        _wake_namespace(world, change.at.namespace)


def _wake_namespace(world: World, name: str) -> None:
    entry = world.store.get(Location(("", "namespaces"), "", name))
    if entry and "deletionTimestamp" in entry.obj["metadata"]:
        world.later(0, "namespace", name)


def _collect(world: World, uid: str) -> None:
    """Deletes an object all of whose owners are gone; else drops the references to those that are."""
    found = world.entry(uid)
    if found is None:
        return
    at, entry = found
    owners = entry.obj["metadata"].get("ownerReferences") or []
    solid = [owner for owner in owners if _lives(world, owner, at=at)]
    if not solid and owners:
        delete(world, entry)
    elif len(solid) != len(owners):
        write_metadata(world, at, entry=entry, changes={"ownerReferences": solid})


def _lives(world: World, owner: Object, *, at: Location) -> bool:
    """An owner counts when an object with its uid is there, in the dependent's namespace or cluster-scoped."""
    found = world.entry(owner["uid"])
    if found is None or found[0].namespace not in ("", at.namespace):
        return False
    meta = found[1].obj["metadata"]
    waiting = "deletionTimestamp" in meta and FOREGROUND in (meta.get("finalizers") or ())
    return not (waiting and owner.get("blockOwnerDeletion"))


def write_metadata(world: World, at: Location, *, entry: Entry, changes: Object) -> None:
    """Writes metadata as a controller would; an object that waited for its last finalizer goes."""
    meta = {**entry.obj["metadata"], **changes}
    meta = {k: v for k, v in meta.items() if v or k not in changes}
    world.store.put(at, {**entry.obj, "metadata": meta})
    if "deletionTimestamp" in meta and not meta.get("finalizers") and at.storage != ("", "namespaces"):
        world.store.remove(at)


def _children(world: World, uid: str) -> None:
    """An owner went or is going: its dependents are collected, orphaned, or waited for."""
    found = world.entry(uid)
    finalizers = (found[1].obj["metadata"].get("finalizers") or []) if found else []
    if found and ORPHAN in finalizers:
        _orphan(world, uid, found=found)
        return
    blocking = False
    for at in world.store.dependents(uid):
        entry = world.store.get(at)
        if entry is None:
            continue
        references = entry.obj["metadata"]["ownerReferences"]
        blocks = any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in references)
        if found and FOREGROUND in finalizers and blocks and not _others_live(world, at, entry=entry, uid=uid):
            delete(world, entry, cascade="Foreground")
            blocking = blocking or world.store.get(at) is not None
        elif not found or FOREGROUND in finalizers:
            _collect(world, entry.obj["metadata"]["uid"])
    if found and FOREGROUND in finalizers and "deletionTimestamp" in found[1].obj["metadata"] and not blocking:
        write_metadata(
            world, found[0], entry=found[1], changes={"finalizers": [f for f in finalizers if f != FOREGROUND]}
        )


def _others_live(world: World, at: Location, *, entry: Entry, uid: str) -> bool:
    return any(o["uid"] != uid and _lives(world, o, at=at) for o in entry.obj["metadata"]["ownerReferences"])


def _orphan(world: World, uid: str, *, found: tuple[Location, Entry]) -> None:
    for at in world.store.dependents(uid):
        entry = world.store.get(at)
        if entry is not None:
            kept = [owner for owner in entry.obj["metadata"]["ownerReferences"] if owner["uid"] != uid]
            write_metadata(world, at, entry=entry, changes={"ownerReferences": kept})
    left = [name for name in found[1].obj["metadata"]["finalizers"] if name != ORPHAN]
    write_metadata(world, found[0], entry=found[1], changes={"finalizers": left})


def _empty_namespace(world: World, name: str) -> None:
    """Deletes the content of a namespace that is being deleted, and then the namespace."""
    at = Location(("", "namespaces"), "", name)
    entry = world.store.get(at)
    if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
        return
    for _, inner in list(world.store.in_namespace(name)):
        if "deletionTimestamp" not in inner.obj["metadata"]:
            delete(world, inner)
    if any(True for _ in world.store.in_namespace(name)):
        return
    if entry.obj["metadata"].get("finalizers"):
        return
    world.store.put(at, {**entry.obj, "spec": {}})
    world.store.remove(at)
