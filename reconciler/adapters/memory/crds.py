"""The controller of CustomResourceDefinitions: accepts names, serves the kind, and clears up when the definition goes.

Works in `World.tick`; a kind is served from the tick after its definition was written (`Established`).
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import catalog, deletion
from reconciler.adapters.memory.status import Cause, invalid, required
from reconciler.adapters.memory.store import Change, Entry, Location
from reconciler.adapters.memory.world import World

Object = dict[str, Any]
STORAGE = ("apiextensions.k8s.io", "customresourcedefinitions")
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def check(crd: Object) -> list[Cause]:
    """What is wrong with a definition. Raises `Unsupported` for what is not imitated."""
    spec, name = crd.get("spec") or {}, crd["metadata"].get("name", "")
    causes = [required(f"spec.{field}") for field in ("group", "names", "scope", "versions") if not spec.get(field)]
    if causes:
        return causes
    wanted = f"{spec['names'].get('plural', '')}.{spec['group']}"
    if name != wanted:
        causes.append(invalid("metadata.name", f'"{name}"', message='must be spec.names.plural+"."+spec.group'))
    if sum(1 for version in spec["versions"] if version.get("storage")) != 1:
        causes.append(invalid("spec.versions", "[]", message="must have exactly one version marked as storage version"))
    for number, version in enumerate(spec["versions"]):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            causes.append(required(f"spec.versions[{number}].schema.openAPIV3Schema", "schemas are required"))
    if not causes:
        catalog.of_crd(crd)
    return causes


def install(world: World) -> None:
    """Adds the controller to a world."""
    world.handlers["crd"] = _sync
    world.listen(lambda change: _on_change(world, change))


def _on_change(world: World, change: Change) -> None:
    if change.at.storage == STORAGE:
        if change.type == "DELETED":
            spec = change.entry.obj["spec"]
            world.catalog.withdraw(spec["group"], spec["names"]["plural"])
            world.store.drop_storage((spec["group"], spec["names"]["plural"]))
        else:
            world.later(0, "crd", change.at.name)
    else:
        _wake_definition(world, change)


def _wake_definition(world: World, change: Change) -> None:
    name = f"{change.at.storage[1]}.{change.at.storage[0]}"
    entry = world.store.get(Location(STORAGE, "", name)) if change.type == "DELETED" else None
    if entry and "deletionTimestamp" in entry.obj["metadata"]:
        world.later(0, "crd", name)


def _sync(world: World, name: str) -> None:
    at = Location(STORAGE, "", name)
    entry = world.store.get(at)
    if entry is None:
        return
    if "deletionTimestamp" in entry.obj["metadata"]:
        _clear(world, at, entry=entry)
        return
    served = catalog.of_crd(entry.obj)
    spec = entry.obj["spec"]
    world.catalog.withdraw(spec["group"], spec["names"]["plural"], keep=frozenset(one.kind.version for one in served))
    world.catalog.serve(served)
    _establish(world, at, entry=entry)


def _establish(world: World, at: Location, *, entry: Entry) -> None:
    spec = entry.obj["spec"]
    names = {"listKind": f"{spec['names']['kind']}List", "singular": spec["names"]["kind"].lower(), **spec["names"]}
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    have = entry.obj.get("status") or {}
    conditions = have.get("conditions") or [
        _condition("NamesAccepted", "NoConflicts", message="no conflicts found", time=world.time_text()),
        _condition(
            "Established",
            "InitialNamesAccepted",
            message="the initial names have been accepted",
            time=world.time_text(),
        ),
    ]
    meta = entry.obj["metadata"]
    finalizers = list(dict.fromkeys([*(meta.get("finalizers") or ()), CLEANUP]))
    wanted = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}
    if have != wanted or meta.get("finalizers") != finalizers:
        world.store.put(at, {**entry.obj, "metadata": {**meta, "finalizers": finalizers}, "status": wanted})


def _condition(type_: str, reason: str, *, message: str, time: str) -> Object:
    return {"type": type_, "status": "True", "lastTransitionTime": time, "reason": reason, "message": message}


def _clear(world: World, at: Location, *, entry: Entry) -> None:
    """Deletes the objects of a kind that goes, then lets the definition go."""
    spec = entry.obj["spec"]
    storage = (spec["group"], spec["names"]["plural"])
    for _, obj in list(world.store.list(storage)):
        if "deletionTimestamp" not in obj.obj["metadata"]:
            deletion.delete(world, obj)
    if any(True for _ in world.store.list(storage)):
        return
    left = [name for name in entry.obj["metadata"].get("finalizers") or () if name != CLEANUP]
    meta = {k: v for k, v in entry.obj["metadata"].items() if k != "finalizers"}
    world.store.put(at, {**entry.obj, "metadata": {**meta, **({"finalizers": left} if left else {})}})
    if not left:
        world.store.remove(at)
