"""The projected objects of one shared watch, and who wants to hear of which.

Not a mirror of the API: a projection decides what is kept. Invariant: an object whose projection is unchanged tells
nobody.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from reconciler.errors import ClusterError
from reconciler.ports.cluster import Object, Scope

#: What is kept of an object: any value that compares by its content. Thousands of them are kept: small is good.
Kept = Any
#: Reduces an object to what is kept of it. It must not change its argument's meaning for others: return a new value.
Projection = Callable[[Scope, Object], Kept]


class Key(NamedTuple):
    """An object within its kind. `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str


class Listener(Protocol):
    """Who is told."""

    @property
    def keys(self) -> frozenset[Key] | None:
        """The objects that it asked for; None: all in the scope."""

    @property
    def synced(self) -> bool:
        """Was it told that the first look is complete?"""

    def sync(self) -> None:
        """The first complete look is done: the initial state is to be told."""

    def changed(self, key: Key, obj: Kept | None, *, fresh: bool) -> None:
        """The object has a new state. `fresh`: it did not exist before."""

    def set_problem(self, problem: ClusterError | None) -> None:
        """The scope cannot be looked at, or (None) can again."""

    def close(self) -> None:
        """It is told nothing any more."""


class Store:
    """Objects by key; subscribers are indexed by the keys that they named: an event costs only those it concerns."""

    def __init__(self, scope: Scope, project: Projection) -> None:
        self.objects: dict[Key, Kept] = {}
        self.subscribers: set[Listener] = set()
        #: The whole scope was looked at and is being watched.
        self.complete = False
        self._scope, self._project = scope, project
        #: Keys that were asked for one by one, absent ones included.
        self._asked: set[Key] = set()
        self._of_all: set[Listener] = set()
        self._of_key: dict[Key, set[Listener]] = {}

    def named(self) -> list[Key]:
        """The keys that some subscriber named."""
        return list(self._of_key)

    def unasked(self) -> list[Key]:
        """Named keys that nobody has looked at yet."""
        return [key for key in self._of_key if key not in self._asked]

    def of(self, keys: frozenset[Key] | None) -> dict[Key, Kept]:
        """The objects that exist: all, or those of `keys`."""
        if keys is None:
            return dict(self.objects)
        return {key: self.objects[key] for key in keys if key in self.objects}

    def join(self, subscription: Listener) -> None:
        self.subscribers.add(subscription)
        if subscription.keys is None:
            self._of_all.add(subscription)
        for key in subscription.keys or ():
            self._of_key.setdefault(key, set()).add(subscription)
        self._sync(subscription)

    def leave(self, subscription: Listener) -> None:
        self.subscribers.discard(subscription)
        self._of_all.discard(subscription)
        for key in subscription.keys or ():
            others = self._of_key.get(key)
            if others is not None:
                others.discard(subscription)
                if not others:
                    del self._of_key[key]
                    self._asked.discard(key)

    def reduced(self, items: Iterable[Object]) -> dict[Key, Kept]:
        """What is to be kept of items of a list."""
        return {key_of(item): self._project(self._scope, item) for item in items}

    def listed(self, latest: dict[Key, Kept]) -> None:
        """The whole scope as it is now, reduced: what is not in it is gone."""
        for key in [key for key in self.objects if key not in latest]:
            self.drop(key)
        for key, obj in latest.items():
            self._keep(key, obj)
        self.complete = True
        self._sync_all()

    def put(self, item: Object) -> None:
        """One object in its new state."""
        self._keep(key_of(item), self._project(self._scope, item))

    def drop(self, key: Key) -> None:
        """One object is gone."""
        if self.objects.pop(key, None) is not None:
            self._tell(key, None, fresh=False)

    def incomplete(self) -> None:
        """From here on only named objects are looked at, one by one; the others stay as they were seen last."""
        self.complete = False
        self._asked.clear()

    def asked(self, key: Key, item: Object | None) -> None:
        """One object was asked for by name: its state, or None where there is none."""
        if item is None:
            self.drop(key)
        else:
            self._keep(key, self._project(self._scope, item))
        self._asked.add(key)
        for subscription in tuple(self._of_key.get(key, ())):
            self._sync(subscription)

    def _keep(self, key: Key, obj: Kept) -> None:
        before = self.objects.get(key)
        if before != obj:
            self.objects[key] = obj
            self._tell(key, obj, fresh=before is None)

    def _tell(self, key: Key, obj: Kept | None, *, fresh: bool) -> None:
        for subscription in (*self._of_all, *self._of_key.get(key, ())):
            subscription.changed(key, obj, fresh=fresh)

    def _sync_all(self) -> None:
        for subscription in tuple(self.subscribers):
            self._sync(subscription)

    def _sync(self, subscription: Listener) -> None:
        if subscription.synced:
            return
        if self.complete or (subscription.keys is not None and subscription.keys <= self._asked):
            subscription.sync()


def key_of(item: Object) -> Key:
    """The key of an object; an object without metadata is the server's bug and gets empty names."""
    metadata = item.get("metadata") or {}
    # Thousands share a namespace: its name is kept once.
    return Key(sys.intern(metadata.get("namespace") or ""), metadata.get("name") or "")


def without_noise(scope: Scope, item: Object) -> Object:
    """The default projection: without `managedFields` and without the values of a Secret, which are kept nowhere."""
    kept = {key: value for key, value in item.items() if key not in ("data", "stringData") or scope.kind != "Secret"}
    metadata = item.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        kept["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    return kept
