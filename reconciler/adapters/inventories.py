"""What the cluster shows of inventories: from one watch, and from our own writes until the watch shows them too.

Not ownership, and never a source of it: it only tells what need not be written. Invariant: what is right costs no
request, neither at a start nor at rest.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

from reconciler.adapters.watches import Key, Subscription, Watches
from reconciler.api import names
from reconciler.compute.inventory import KIND, Shard
from reconciler.ports.cluster import Scope


class Inventories:
    """Inventories by StageSet. `on_change(namespace, name)` names the StageSet of one that changed, once all are known;

    `on_synced` is called when they are.
    """

    def __init__(self, *, on_change: Callable[[str, str], None], on_synced: Callable[[], None]) -> None:
        self._on_change, self._on_synced = on_change, on_synced
        self._subscriptions: dict[str, Subscription] = {}
        self._first_looks: set[asyncio.Task[None]] = set()
        self._synced: set[str] = set()
        self._owners: dict[Key, str] = {}
        #: names of inventories by namespace and StageSet
        self._names: dict[str, dict[str, tuple[str, ...]]] = {}
        #: what was written (None: deleted), for as long as the watch has not shown it
        self._unseen: dict[Key, Shard | None] = {}
        #: what the server made of what was wanted, where that is something else
        self._became: dict[Key, tuple[int, int]] = {}

    def start(self, watches: Watches, *, namespaces: tuple[str, ...]) -> None:
        """Begin to watch; an empty namespace means all."""
        for namespace in namespaces:
            # With their content: somebody may have changed it.
            scope = Scope(names.API_VERSION, KIND, namespace)
            self._subscriptions[namespace] = watches.subscribe(scope, on_change=self._changed)
            look = asyncio.ensure_future(self._first_look(namespace))
            self._first_looks.add(look)
            look.add_done_callback(self._first_looks.discard)

    def close(self) -> None:
        """End the subscriptions."""
        for look in self._first_looks:
            look.cancel()
        for subscription in self._subscriptions.values():
            subscription.close()

    @property
    def synced(self) -> bool:
        """Whether all inventories are known."""
        return bool(self._subscriptions) and self._synced == self._subscriptions.keys()

    def get(self, key: Key) -> Shard | None:
        """One inventory as the watch shows it."""
        for subscription in self._subscriptions.values():
            found: Shard | None = subscription.get(key)
            if found is not None:
                return found
        return None

    def of(self, namespace: str, name: str) -> dict[str, str]:
        """The names of a StageSet's inventories, with the stage of each."""
        found = {}
        for own in self._names.get(namespace, {}).get(name, ()):
            key = Key(namespace, own)
            shard = self.get(key)
            if shard is not None and self._unseen.get(key, shard) is not None:
                found[own] = shard.stage
        return found

    def shows(self, key: Key, wanted: Shard) -> bool:
        """Whether the cluster shows an inventory as it is wanted, as far as is known."""
        if key in self._unseen:
            return self._unseen[key] == wanted
        live = self.get(key)
        return live is not None and (live == wanted or self._became.get(key) == (wanted.mark, live.mark))

    def expect(self, key: Key, wanted: Shard | None) -> None:
        """An inventory is about to be written (None: deleted). To be said before: the watch may be quicker."""
        self._unseen[key] = wanted

    def unsure(self, key: Key) -> None:
        """A write failed: what is there is what the watch shows."""
        self._unseen.pop(key, None)

    def became(self, key: Key, wanted: Shard, found: Shard) -> None:
        """What the server made of what was written: asking again would make no other of it."""
        if found.mark == wanted.mark:
            self._became.pop(key, None)
        else:
            self._became[key] = (wanted.mark, found.mark)

    async def _first_look(self, namespace: str) -> None:
        with suppress(RuntimeError):
            for key, shard in (await self._subscriptions[namespace].snapshot()).items():
                self._file(key, shard)
            self._synced.add(namespace)
            if self.synced:
                self._on_synced()

    def _changed(self, key: Key, shard: Shard | None) -> None:
        written = self._unseen.pop(key, None)
        if shard is None:
            self._became.pop(key, None)
        # What we wrote may be gone before the watch could show whose it was.
        whose = (*self._file(key, shard), written.stageset if written else "")
        if self.synced:
            for name in dict.fromkeys(whose):
                if name:
                    self._on_change(key.namespace, name)

    def _file(self, key: Key, shard: Shard | None) -> tuple[str, str]:
        """Note whose it is; returns whose it was and whose it is now."""
        before, owner = self._owners.get(key, ""), shard.stageset if shard else ""
        if before == owner:
            return before, owner
        mine = self._names.setdefault(key.namespace, {})
        if before:
            mine[before] = tuple(name for name in mine[before] if name != key.name)
            del self._owners[key]
            if not mine[before]:
                del mine[before]
        if owner:
            owner = self._owners[key] = sys.intern(owner)
            mine[owner] = (*mine.get(owner, ()), key.name)
        return before, owner
