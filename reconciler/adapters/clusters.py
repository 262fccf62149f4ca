"""Identities on the cluster: one client and one set of shared watches for each ServiceAccount that works.

Not the credentials themselves. Without a name it is the controller's own identity; clients of identities that nobody
used for a while are let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from reconciler.adapters.watches import Watches, WatchReport
from reconciler.ports.cluster import Cluster, Object, Scope

#: An identity and its watches are let go after this many seconds without use.
IDLE_S = 600.0


class Hand(NamedTuple):
    """One identity on one cluster."""

    cluster: Cluster
    watches: Watches


class Clusters:
    """Identities by namespace and ServiceAccount. `act_as(namespace, name)` makes the client of one."""

    def __init__(
        self,
        base: Cluster,
        *,
        act_as: Callable[[str, str], Cluster],
        jitter: Callable[[], float],
        project: Callable[[Scope, Object], Object] | None = None,
    ) -> None:
        self._act_as = act_as
        self._options: dict[str, Any] = {"jitter": jitter, **({"project": project} if project else {})}
        self.own = Hand(base, Watches(base, **self._options))
        self._hands: dict[tuple[str, str], Hand] = {}
        self._used: dict[tuple[str, str], float] = {}
        self._letting_go: asyncio.Task[None] | None = None

    def hand(self, namespace: str, service_account: str) -> Hand:
        """The identity of a ServiceAccount, or the controller's own where no name is given."""
        if not service_account:
            return self.own
        key = (namespace, service_account)
        self._used[key] = asyncio.get_running_loop().time()
        hand = self._hands.get(key)
        if hand is None:
            # They grow in number only here, so here is where those that nobody needs any more are looked for.
            self._letting_go = asyncio.ensure_future(self.let_go())
            cluster = self._act_as(namespace, service_account)
            hand = self._hands[key] = Hand(cluster, Watches(cluster, **self._options))
        return hand

    def watches(self) -> list[WatchReport]:
        """The watches of all identities that are open now."""
        return [report for hand in (self.own, *list(self._hands.values())) for report in hand.watches.report()]

    async def let_go(self) -> None:
        """Close the watches of identities that were not used lately and have no subscriber."""
        now = asyncio.get_running_loop().time()
        for key in [key for key, used in self._used.items() if now - used > IDLE_S]:
            if key in self._hands and not any(report.subscribers for report in self._hands[key].watches.report()):
                del self._used[key]
                await self._hands.pop(key).watches.close()

    async def close(self) -> None:
        """End all watches; the base client stays open for whoever made it."""
        if self._letting_go is not None:
            await self._letting_go
        await asyncio.gather(*(hand.watches.close() for hand in (self.own, *self._hands.values())))
