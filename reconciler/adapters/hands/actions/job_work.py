"""What one try of a job action knows: its objects as recorded and as found, and what its artifact renders.

Not the requests that change the cluster. Invariant: what was made is reported with its UID before anything else is
concluded from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_look import Found
from reconciler.adapters.hands.actions.job_names import Slot, Task, slot_of
from reconciler.adapters.hands.actions.rendering import ActionObjects, rendered
from reconciler.adapters.operations.failures import Scrub, unscrubbed
from reconciler.compute.fields import text, whole
from reconciler.compute.inventory import entry_id
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cluster, Object, Ref

Render = Callable[[Acting], Awaitable[ActionObjects]]

#: What an object is recorded as when it was found so; of a foreign one nothing new is recorded.
_RECORDED_AS = {"running": "created", "complete": "complete", "failed": "failed", "again": "failed", "lost": "gone"}
_CLOSED = ("complete", "failed", "dropped")
_HALTING = ("lost", "failed", "again", "foreign")


class Halted(Exception):
    """Some objects were found in a state that ends the action."""

    def __init__(self, found: Sequence[Found]) -> None:
        super().__init__([one.state for one in found])
        self.found = tuple(found)


class Late(Exception):
    """The deadline came first. `lives` are the objects that were waited for."""

    def __init__(self, message: str, *, lives: Iterable[Object] = (), reason: str = "JobTimeout") -> None:
        super().__init__(message)
        self.message, self.lives, self.reason = message, tuple(lives), reason


async def render_job(acting: Acting) -> ActionObjects:
    """The objects of the action's artifact."""
    part = acting.action.job
    assert part is not None, "a job action has a job"
    return await rendered(acting, path=part.path)


class Work:
    """One try, from the record to the answer."""

    def __init__(self, acting: Acting, render: Render) -> None:
        self.acting = acting
        self.cluster: Cluster = acting.hand.cluster
        #: live objects that have not ended, as they were seen last
        self.running: dict[Ref, Object] = {}
        #: live objects that this try saw complete
        self.ended: dict[Ref, Object] = {}
        self._render = render
        self._made: ActionObjects | None = None
        self._items = acting.newest()

    async def objects(self) -> ActionObjects:
        """What the artifact renders, once. Raises `OperationError` and `ClusterError` leaves."""
        if self._made is None:
            self._made = await self._render(self.acting)
        return self._made

    async def scrub(self) -> Scrub | None:
        """Takes the values of Secrets out of texts; None where they cannot be read, so that no text may be kept."""
        try:
            return (await self.objects()).scrub
        except (OperationError, ClusterError):
            return None

    def scrub_known(self) -> Scrub:
        """The scrubber of what was rendered; where nothing was, no secret value was sent either."""
        return self._made.scrub if self._made is not None else unscrubbed

    def blobs(self) -> tuple[str, ...]:
        """What the answer refers to."""
        return self._made.blobs if self._made is not None else ()

    def items(self) -> list[Item]:
        """All objects as they are known now, for the answer."""
        running = {entry_id(ref) for ref in self.running}
        return [replace(item, action="running") if item.id in running else item for item in self._items.values()]

    def open_items(self) -> list[Item]:
        """What is recorded without an end."""
        return [item for item in self._items.values() if item.action not in _CLOSED]

    def recorded(self, ref: Ref) -> Item | None:
        """The newest record of an object."""
        return self._items.get(entry_id(ref))

    def covered(self) -> bool:
        """Whether all that was ever planned is complete or running, so that nothing is to be created."""
        slots = {slot_of(item) for item in self._items.values() if item.action != "dropped"}
        return bool(slots) and slots <= self._settled()

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks that are neither complete nor running.

        An object whose recorded form changed meanwhile (a ConfigMap that it takes values from) has another name by
        now; it is not run beside, or after, the one that its slot has already.
        """
        settled = self._settled()
        return [task for task in tasks if task.slot not in settled]

    def left_s(self) -> float | None:
        """Seconds until the deadline, negative after it; None without one."""
        deadline_ms = self.acting.deadline_ms
        return (deadline_ms - self.acting.tools.clock.now_ms()) / 1000 if deadline_ms else None

    async def plan(self, tasks: Sequence[Task]) -> None:
        """Record what is about to be created, all of it at once, where that is not on record.

        A name that was planned from other inputs and is not there is dropped: nothing is going to be created by it.
        """
        planned = {entry_id(task.ref): _planned(task) for task in tasks}
        news = {key: item for key, item in planned.items() if self._items.get(key) != item}
        stale = [item for item in self._items.values() if item.action == "planned" and item.id not in planned]
        news |= {item.id: replace(item, action="dropped") for item in stale}
        if news:
            self._items |= news
            await self.acting.report(list(news.values()), "")

    async def created(self, ref: Ref, live: Object) -> None:
        """Record what was created just now."""
        self.running[ref] = live
        await self._adopt([(ref, live)])

    async def take(self, found: Sequence[Found]) -> None:
        """Note what was found; what an unrecorded creation made is reported first. Raises `Halted`."""
        for one in found:
            self._place(one)
        await self._adopt([(one.ref, one.live) for one in found if one.live is not None and self._is_new(one)])
        notes = [self._note(one) for one in found if one.state in _RECORDED_AS]
        halting = [one for one in found if one.state in _HALTING]
        if halting:
            raise Halted(halting)
        complete = [item for item in notes if item.action == "complete"]
        if complete and self.running:
            # The others may run for long, and a completed Job may be gone when it is looked at again.
            await self.acting.report(complete, "")

    def _place(self, one: Found) -> None:
        self.running.pop(one.ref, None)
        if one.live is not None and one.state == "running":
            self.running[one.ref] = one.live
        elif one.live is not None and one.state == "complete":
            self.ended[one.ref] = one.live

    def _is_new(self, one: Found) -> bool:
        return one.state not in {"lost", "foreign"} and one.uid != self._items[entry_id(one.ref)].uid

    async def _adopt(self, made: Sequence[tuple[Ref, Object]]) -> None:
        items = [
            replace(self._items[entry_id(ref)], action="created", message="", **_identity(live)) for ref, live in made
        ]
        self._items |= {item.id: item for item in items}
        if items:
            await self.acting.report(items, "")

    def _note(self, one: Found) -> Item:
        before = self._items[entry_id(one.ref)]
        item = replace(before, action=_RECORDED_AS[one.state], uid=one.uid)
        self._items[item.id] = item
        return item

    def _settled(self) -> set[Slot | None]:
        refs = {entry_id(ref) for ref in self.running}
        return {slot_of(item) for item in self._items.values() if item.action == "complete" or item.id in refs}


def _planned(task: Task) -> Item:
    version = task.ref.api_version.rpartition("/")[2]
    return Item(id=entry_id(task.ref), v=version, digest=task.digest, action="planned")


def _identity(live: Object) -> dict[str, Any]:
    return {
        "uid": text(live, "metadata", "uid"),
        "rv": text(live, "metadata", "resourceVersion"),
        "generation": whole(live, "metadata", "generation") or 0,
    }
