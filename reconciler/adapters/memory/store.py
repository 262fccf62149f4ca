"""Objects, their versions, the history of changes and the watches on it: etcd's part of the API server.

Knows kinds only by their storage key. Stored objects are never changed: every write puts a new one. Resource versions
are one counter for all kinds, as in etcd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

Object = dict[str, Any]
#: `(group, plural)`.
Storage = tuple[str, str]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Entry:
    """A stored object. `obj` must not be changed; `copy` gives one that may be."""

    __slots__ = ("_raw", "obj", "version")

    def __init__(self, obj: Object, version: int) -> None:
        self.obj = obj
        self.version = version
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The object as JSON, encoded once."""
        if self._raw is None:
            self._raw = _encode(self.obj)
        return self._raw

    def copy(self) -> Object:
        found: Object = _decode(self.raw)
        return found


class Location(NamedTuple):
    """Where an object is."""

    storage: Storage
    namespace: str
    name: str


class Change(NamedTuple):
    """One write. `entry` is the state after it (of a deletion: the last state), `before` the one it replaced."""

    version: int
    type: str
    at: Location
    entry: Entry
    before: Entry | None


class Watcher:
    """An open watch: a queue that the store fills and one reader empties."""

    def __init__(self, storage: Storage, namespace: str) -> None:
        self.storage = storage
        self.namespace = namespace
        self.queue: deque[Change | int] = deque()
        self.closed = False
        self.error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def put(self, change: Change | int) -> None:
        """Queues a change, or a bookmark (a resource version)."""
        self.queue.append(change)
        self.wake()

    def close(self, error: Exception | None = None) -> None:
        self.closed, self.error = True, error
        self.wake()

    def wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self) -> None:
        """Until something is queued or the watch is closed."""
        if not self.queue and not self.closed:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting


class Store:
    """All objects. `history_max` changes are kept for watches that resume; older positions are gone."""

    def __init__(self, *, history_max: int = 20_000) -> None:
        self.version = 1
        self.history: deque[Change] = deque(maxlen=history_max)
        #: Positions below this cannot be resumed from.
        self.floor = 0
        self.watchers: list[Watcher] = []
        self.listeners: list[Callable[[Change], None]] = []
        self._objects: dict[Storage, dict[str, dict[str, Entry]]] = {}
        self._by_uid: dict[str, Location] = {}
        self._dependents: dict[str, dict[Location, None]] = {}

    def get(self, at: Location) -> Entry | None:
        return self._objects.get(at.storage, {}).get(at.namespace, {}).get(at.name)

    def find(self, uid: str) -> Location | None:
        """Where the object with this uid is, if it is there."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> list[Location]:
        """Objects whose `ownerReferences` name this uid, in the order they were written."""
        return list(self._dependents.get(uid, ()))

    def list(self, storage: Storage, namespace: str = "") -> Iterator[tuple[Location, Entry]]:
        """Entries in the order of etcd's keys: namespace, then name."""
        spaces = self._objects.get(storage, {})
        for space in sorted(spaces) if not namespace else [namespace]:
            entries = spaces.get(space, {})
            for name in sorted(entries):
                yield Location(storage, space, name), entries[name]

    def in_namespace(self, namespace: str) -> Iterator[tuple[Location, Entry]]:
        """Everything in a namespace, whatever its kind."""
        for storage in sorted(self._objects):
            yield from self.list(storage, namespace)

    def put(self, at: Location, obj: Object) -> Entry:
        """Writes an object under the next resource version, which is stamped into it."""
        before = self.get(at)
        self.version += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
        entry = Entry({**obj, "metadata": metadata}, self.version)
        self._objects.setdefault(at.storage, {}).setdefault(at.namespace, {})[at.name] = entry
        self._index(at, before, entry)
        self._record(Change(self.version, "MODIFIED" if before else "ADDED", at, entry, before))
        return entry

    def remove(self, at: Location) -> Entry:
        """Deletes an object; its last state carries the resource version of the deletion."""
        before = self._objects[at.storage][at.namespace].pop(at.name)
        self.version += 1
        metadata = {**before.obj["metadata"], "resourceVersion": str(self.version)}
        entry = Entry({**before.obj, "metadata": metadata}, self.version)
        self._index(at, before, None)
        self._record(Change(self.version, "DELETED", at, entry, before))
        return entry

    def drop_storage(self, storage: Storage) -> None:
        """Forgets a kind that is no longer served; its watches end."""
        self._objects.pop(storage, None)
        for watcher in [w for w in self.watchers if w.storage == storage]:
            watcher.close()

    def _index(self, at: Location, before: Entry | None, after: Entry | None) -> None:
        for owner in before.obj["metadata"].get("ownerReferences") or () if before else ():
            self._dependents.get(owner["uid"], {}).pop(at, None)
        for owner in after.obj["metadata"].get("ownerReferences") or () if after else ():
            self._dependents.setdefault(owner["uid"], {})[at] = None
        if before and not after:
            self._by_uid.pop(before.obj["metadata"]["uid"], None)
            self._dependents.pop(before.obj["metadata"]["uid"], None) if not self._dependents.get(
                before.obj["metadata"]["uid"]
            ) else None
        elif after:
            self._by_uid[after.obj["metadata"]["uid"]] = at

    def _record(self, change: Change) -> None:
        if len(self.history) == self.history.maxlen:
            self.floor = self.history[0].version
        self.history.append(change)
        for watcher in self.watchers:
            if watcher.storage == change.at.storage and watcher.namespace in ("", change.at.namespace):
                watcher.put(change)
        for listener in self.listeners:
            listener(change)

    def open(self, storage: Storage, namespace: str, *, since: int) -> Watcher | None:
        """A watch on changes after `since`; None when that position is no longer in the history."""
        if since < self.floor:
            return None
        watcher = Watcher(storage, namespace)
        for change in self.history:
            if change.version > since and change.at.storage == storage and namespace in ("", change.at.namespace):
                watcher.queue.append(change)
        self.watchers.append(watcher)
        return watcher

    def forget_history(self) -> None:
        """Compacts: positions before now can no longer be resumed from."""
        self.history.clear()
        self.floor = self.version
