"""Kubernetes Events about single records, sent beside the work: nobody waits for them, and a refused one is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ledger.envelope import Draft
from reconciler import errors
from reconciler.api import names
from reconciler.compute.announcements import announcement
from reconciler.compute.kubeevents import event_object
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.ports.members import Member

#: Events that may wait to be sent; in a storm of failures more of them help nobody.
WAITING_MAX = 1_000
CONCURRENT_MAX = 4


class Announcer:
    """A `Teller` that tells the cluster. Make it inside the event loop."""

    def __init__(self, cluster: Cluster, *, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock
        self._slots = asyncio.Semaphore(CONCURRENT_MAX)
        self._sending: set[asyncio.Task[None]] = set()

    def recorded(self, member: Member, drafts: tuple[Draft, ...]) -> None:
        """Send what is worth it, soon."""
        first = member.head.number - len(drafts) + 1
        for ver, draft in enumerate(drafts, start=first):
            told = announcement(draft, ver=ver)
            if told is not None and len(self._sending) < WAITING_MAX:
                regarding = Ref(names.API_VERSION, "StageSet", member.target.namespace, member.target.name)
                event = event_object(told, regarding=regarding, uid=member.target.uid, at_ms=self._clock.now_ms())
                task = asyncio.ensure_future(self._send(event))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Let what is under way finish."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self, event: Object) -> None:
        async with self._slots:
            with suppress(errors.ClusterError):
                await self._cluster.create(event)
