"""Kubernetes Events about single records, sent beside the work: nobody waits for them, and a refused one is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain

from ledger.envelope import Draft
from reconciler import errors
from reconciler.adapters.fair import FairSlots, working_for
from reconciler.api import names
from reconciler.compute.announcements import announcement
from reconciler.compute.kubeevents import event_object
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.ports.members import Member

#: Events of one namespace that may wait to be sent; in a storm of failures more of them help nobody.
WAITING_MAX = 1_000
CONCURRENT_MAX = 4


class Announcer:
    """A `Teller` that tells the cluster. Make it inside the event loop."""

    def __init__(self, cluster: Cluster, *, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._slots = FairSlots(CONCURRENT_MAX)
        #: by namespace
        self._sending: dict[str, set[asyncio.Task[None]]] = {}

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None:
        """Send what is worth it, soon."""
        namespace, name, uid = member.target
        sending = self._sending.setdefault(namespace, set())
        first = member.head.number - len(drafts) + 1
        for ver, draft in enumerate(drafts, start=first):
            told = announcement(draft, ver=ver, state=lambda: member.state)
            if told is not None and len(sending) < WAITING_MAX:
                regarding = Ref(names.API_VERSION, "StageSet", namespace, name)
                event = event_object(told, regarding=regarding, uid=uid, at_ms=self._clock.now_ms())
                task = asyncio.ensure_future(self._send(namespace, event))
                sending.add(task)
                task.add_done_callback(sending.discard)

    async def close(self) -> None:
        """Let what is under way finish."""
        await asyncio.gather(*chain(*self._sending.values()), return_exceptions=True)

    async def _send(self, namespace: str, event: Object) -> None:
        working_for(namespace)
        async with self._slots.turn():
            with suppress(errors.ClusterError):
                await self._cluster.create(event)
