"""Lists, watches and logs: what requests read.

Not authorization. A watch follows the store's changes and shows them through its selectors: an object that stops
matching is `DELETED` for it, one that starts to is `ADDED`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from reconciler import errors
from reconciler.adapters.memory import convert, selectors, status
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.store import Change, Entry, Storage
from reconciler.adapters.memory.world import World
from reconciler.ports.cluster import ObjectList, Scope, WatchEvent

Object = dict[str, Any]


def matcher(kind: Kind, scope: Scope) -> Callable[[Object], bool]:
    """The selectors of a scope as one predicate. Raises `BadRequest`."""
    try:
        tests = [selectors.labels(scope.label_selector)] if scope.label_selector else []
        tests += [selectors.fields(scope.field_selector, kind.plural)] if scope.field_selector else []
    except ValueError as error:
        raise status.bad_request(str(error)) from None
    return lambda obj: all(
        test(convert.outgoing(kind, obj) if kind.group == "events.k8s.io" else obj) for test in tests
    )


def shape(kind: Kind, scope: Scope, *, entry: Entry) -> Object:
    """An object as the scope asks for it: whole, or its metadata only."""
    obj = convert.outgoing(kind, entry.copy())
    if not scope.metadata_only:
        return obj
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": obj["metadata"]}


def list_objects(world: World, kind: Kind, *, scope: Scope) -> ObjectList:
    """Everything in the scope, in the order of namespaces and names."""
    matches = matcher(kind, scope)
    namespace = scope.namespace if kind.namespaced else ""
    items = [
        shape(kind, scope, entry=entry) for _, entry in world.store.list(kind.storage, namespace) if matches(entry.obj)
    ]
    return ObjectList(items, str(world.store.version))


def _position(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError:
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise status.internal(f'resourceVersion: Invalid value: "{text}": {why}') from None


async def watch(world: World, kind: Kind, *, scope: Scope, resource_version: str) -> AsyncIterator[WatchEvent]:
    """Changes in the scope. Without a resource version (or `0`) it begins with what is there.

    Raises `Gone` when the position is too old, and what `drop` was given as error.
    """
    matches = matcher(kind, scope)
    since = _position(resource_version)
    initial = list_objects(world, kind, scope=scope) if since == 0 else None
    watcher = world.store.open(
        kind.storage, scope.namespace if kind.namespaced else "", since=since or world.store.version
    )
    if watcher is None:
        raise status.make(errors.Gone, f"too old resource version: {since} ({world.store.version})")
    try:
        for obj in initial.items if initial else ():
            yield WatchEvent("ADDED", obj)
        while True:
            while watcher.queue:
                event = _event(kind, scope, change=watcher.queue.popleft(), matches=matches)
                if event is not None:
                    yield event
            if watcher.closed:
                break
            await watcher.wait()
        if watcher.error is not None:
            raise watcher.error
    finally:
        if watcher in world.store.watchers:
            world.store.watchers.remove(watcher)


def _event(kind: Kind, scope: Scope, *, change: Change | int, matches: Callable[[Object], bool]) -> WatchEvent | None:
    if isinstance(change, int):
        meta = {"resourceVersion": str(change), "creationTimestamp": None}
        return WatchEvent("BOOKMARK", {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta})
    now = matches(change.entry.obj) and change.type != "DELETED"
    before = change.before is not None and matches(change.before.obj)
    if not now and not before:
        return None
    type_ = ("MODIFIED" if before else "ADDED") if now else "DELETED"
    return WatchEvent(type_, shape(kind, scope, entry=change.entry))


def drop(world: World, storage: Storage | None, *, error: Exception | None) -> int:
    """Ends watches on a kind, or all."""
    found = [watcher for watcher in world.store.watchers if storage in (None, watcher.storage)]
    for watcher in found:
        watcher.close(error)
    return len(found)


def bookmark(world: World) -> None:
    """Tells every watch how far it has come."""
    for watcher in world.store.watchers:
        watcher.put(world.store.version)


def log_tail(world: World, pod: Object, *, container: str, tail_lines: int) -> str:
    """The last lines of a container's log. Raises `BadRequest` while there is none or the container is unclear."""
    meta = pod["metadata"]
    names = [item["name"] for item in pod["spec"].get("containers") or ()]
    if not container and len(names) > 1:
        text = f"a container name must be specified for pod {meta['name']}, choose one of: [{' '.join(names)}]"
        raise status.bad_request(text)
    container = container or names[0]
    if container not in names:
        raise status.bad_request(f"container {container} is not valid for pod {meta['name']}")
    log = world.logs.get((meta["uid"], container), world.logs.get((meta["uid"], "")))
    if log is None:
        if (pod.get("status") or {}).get("phase") == "Pending":
            raise status.bad_request(
                f'container "{container}" in pod "{meta["name"]}" is waiting to start: ContainerCreating'
            )
        return ""
    lines = log.splitlines(keepends=True)
    return "".join(lines[-tail_lines:] if tail_lines else [])
