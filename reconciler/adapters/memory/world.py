"""The state that all identities of a MemoryCluster share: store, kinds, clock, timers and the log texts of Pods.

Not the API: requests are served by `registry`. Knows no identity. Time is read from the given clock only, and work that
is due is done in `tick` only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from reconciler.adapters.memory.catalog import Catalog
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.store import Change, Entry, Location, Store
from reconciler.adapters.memory.timers import Timers

Object = dict[str, Any]
#: Seconds since the epoch.
Clock = Callable[[], float]
Handler = Callable[["World", Any], None]

#: A tick that does more than this at one instant is a loop between controllers: our own bug.
STEPS_MAX = 200_000


class World:
    """One cluster."""

    def __init__(self, clock: Clock, *, history_max: int, name: str) -> None:
        self.clock = clock
        self.name = name
        self.store = Store(history_max=history_max)
        self.catalog = Catalog()
        self.timers = Timers()
        self.handlers: dict[str, Handler] = {}
        self.on_due: list[Callable[[], None]] = []
        #: Log text by `(pod uid, container)`.
        self.logs: dict[tuple[str, str], str] = {}
        #: User and expiry by token.
        self.tokens: dict[str, tuple[str, float]] = {}
        #: When an object was created, in the clock's seconds: `creationTimestamp` is too coarse.
        self._began: dict[str, float] = {}
        #: What controllers remember of an object, by uid.
        self.memory: dict[str, Any] = {}
        self._uids = 0
        self.listen(self._note)

    def _note(self, change: Change) -> None:
        uid = change.entry.obj["metadata"]["uid"]
        if change.type == "ADDED":
            self._began[uid] = self.clock()
        elif change.type == "DELETED":
            self._began.pop(uid, None)
            self.memory.pop(uid, None)

    def began(self, uid: str) -> float:
        """When the object with this uid was created, in the clock's seconds."""
        return self._began.get(uid, self.clock())

    def time_text(self) -> str:
        """Now, as RFC 3339 in UTC with whole seconds, like the API's times."""
        return text_of(self.clock())

    def new_uid(self) -> str:
        """The next uid: a counter in the form of a UUID, with the cluster's name in front."""
        self._uids += 1
        prefix = sum(ord(letter) << (n % 4) * 8 for n, letter in enumerate(self.name)) & 0xFFFFFFFF
        return f"{prefix:08x}-0000-4000-8000-{self._uids:012x}"

    def count(self) -> int:
        """A number that is never given twice: for generated names and addresses."""
        self._uids += 1
        return self._uids

    def location(self, kind: Kind, namespace: str, name: str) -> Location:
        return Location(kind.storage, namespace if kind.namespaced else "", name)

    def later(self, delay_s: float, handler: str, key: Any) -> None:
        """Has `handler` called with `key` in the tick that is `delay_s` from now."""
        self.timers.add(self.clock() + delay_s, handler, key)
        for notify in self.on_due:
            notify()

    def tick(self) -> int:
        """Does everything that is due now. Returns the number of steps done."""
        done = 0
        while (item := self.timers.pop(self.clock())) is not None:
            self.handlers[item.handler](self, item.key)
            done += 1
            assert done < STEPS_MAX, f"controllers do not settle: {item}"
        return done

    def entry(self, uid: str) -> tuple[Location, Entry] | None:
        """An object by uid."""
        at = self.store.find(uid)
        entry = self.store.get(at) if at else None
        return (at, entry) if at and entry else None

    def listen(self, listener: Callable[[Change], None]) -> None:
        self.store.listeners.append(listener)


def text_of(seconds: float) -> str:
    """A time as the API writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
