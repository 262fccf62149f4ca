"""All StageSets of an installation: one member each, made from the ledger when its object is first seen.

Not a queue and not a pool: a member at rest is a few values in memory. Deleting an object without its finalizer ends
the member; its stream stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from reconciler.compute.dependencies import Rules
from reconciler.loop.member import Member, Shared
from reconciler.loop.memory import Memory
from reconciler.loop.ordering import Ordering
from reconciler.ports.members import Observed


class Controller:
    """The members, by namespace and name."""

    def __init__(
        self,
        *,
        shared: Shared,
        memory: Memory,
        gone: Callable[[Member], None],
        absent: Callable[[tuple[str, str]], bool] = lambda key: True,
    ) -> None:
        """`absent` tells of a StageSet that is not a member whether it is known not to exist."""
        self._shared = shared
        self._gone = gone
        self._memory = memory
        #: streams of members that end, and of those objects that were seen again meanwhile
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._returning: dict[str, Observed] = {}
        self.members: dict[tuple[str, str], Member] = {}
        rules = Rules(shared.settings.watch_namespaces, not shared.settings.no_cross_namespace_refs)
        self._ordering = Ordering(self.members, rules=rules, absent=absent)

    def stageset(self, namespace: str, name: str, *, kept: Observed | None) -> None:
        """A StageSet was seen, or (`None`) is no longer there."""
        member = self.members.get((namespace, name))
        if kept is None:
            self._end(namespace, name)
            return
        observed = kept
        if member is not None and member.observed.uid != observed.uid:
            # Deleted and created again while nobody looked: another stream.
            self._end(namespace, name)
            member = None
        if observed.stream in self._closing:
            # Its story goes on where it is, and where that is will be known in a moment.
            self._returning[observed.stream] = kept
            return
        new = member is None
        if member is None:
            state, head = self._memory.take(observed.stream)
            member = Member(observed, state=state, head=head, shared=self._shared, ordering=self._ordering)
            self.members[namespace, name] = member
        member.seen(observed)
        self._ordering.seen((namespace, name), observed, new=new)

    def all_known(self) -> None:
        """All StageSets have been seen once: `absent` knows them all."""
        self._ordering.all_known()

    def sources_changed(self, namespace: str) -> None:
        """Sources of a namespace, or with an empty one of any, may stand for other artifacts."""
        for (own, _), member in self.members.items():
            if not namespace or own == namespace or member.refers_to(namespace):
                member.driver.kick()

    def busy(self) -> Iterable[Member]:
        """Members with something under way."""
        return (member for member in self.members.values() if member.driver.busy)

    async def close(self, *, grace_s: float = 0) -> None:
        """End all members. What was under way is in the ledger; what must not be broken off gets `grace_s` seconds."""
        members = list(self.members.values())
        self.members.clear()
        self._returning.clear()
        closing = (member.driver.close(grace_s=grace_s) for member in members)
        await asyncio.gather(*closing, *self._closing.values())

    def _end(self, namespace: str, name: str) -> None:
        for stream in [stream for stream in self._returning if stream.startswith(f"stageset/{namespace}/{name}/")]:
            del self._returning[stream]
        member = self.members.pop((namespace, name), None)
        if member is not None:
            self._ordering.seen((namespace, name), None)
            task = asyncio.ensure_future(member.driver.close())
            self._closing[member.observed.stream] = task
            task.add_done_callback(lambda _: self._ended(member))

    def _ended(self, member: Member) -> None:
        stream = member.observed.stream
        del self._closing[stream]
        # Not before: a last append may still have told the projections of it.
        self._gone(member)
        # Should the object show up again, its story goes on where it is.
        self._memory.put(stream, member.state, member.head)
        kept = self._returning.pop(stream, None)
        if kept is not None:
            self.stageset(member.target.namespace, member.target.name, kept=kept)
