"""Identities on clusters: one client and one set of shared watches for each ServiceAccount that works somewhere.

Not the credentials themselves. Without a name it is the controller's own identity, without a kubeconfig its own
cluster. Invariant: a kubeconfig is read as the identity that works with it; clients that nobody used for a while are
let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from reconciler.adapters.clusters import kubeconfigs
from reconciler.adapters.watches import Watches, WatchReport
from reconciler.compute import kubeconfig
from reconciler.errors import OperationError
from reconciler.ports.cluster import Cluster, Object, Scope

#: An identity and its watches are let go after this many seconds without use.
IDLE_S = 600.0
#: How often within this time it is looked for them, at most.
LOOKS = 10


class Hand(NamedTuple):
    """One identity on one cluster."""

    cluster: Cluster
    watches: Watches


class Reach(Protocol):
    """Makes the client of a remote cluster; closing it closes its connections."""

    def __call__(self, target: kubeconfig.Target, *, where: str, user: str) -> Cluster:
        """As the kubeconfig's user, impersonating `user` unless it is empty. `where` names the kubeconfig.

        Raises `OperationError` for a server, certificate or key that cannot be used.
        """


class _Key(NamedTuple):
    namespace: str
    service_account: str
    #: `<Secret>/<key>`; empty: the own cluster
    kubeconfig: str = ""
    #: of the Secret
    version: str = ""


class Clusters:
    """Identities by namespace and ServiceAccount. `act_as(namespace, name)` makes the client of one."""

    def __init__(
        self,
        base: Cluster,
        *,
        act_as: Callable[[str, str], Cluster],
        jitter: Callable[[], float],
        project: Callable[[Scope, Object], Object] | None = None,
        reach: Reach | None = None,
    ) -> None:
        self._act_as, self._reach = act_as, reach or _unreachable
        self._options: dict[str, Any] = {"jitter": jitter, **({"project": project} if project else {})}
        self.own = Hand(base, Watches(base, **self._options))
        self._hands: dict[_Key, Hand] = {}
        self._used: dict[_Key, float] = {}
        #: which version of a Secret was read last
        self._versions: dict[_Key, str] = {}
        self._looked = 0.0
        self._letting_go: asyncio.Task[None] | None = None

    async def hand(self, namespace: str, service_account: str, kubeconfig: str = "", *, anew: bool = False) -> Hand:
        """An identity on the cluster that `kubeconfig` (`<Secret>/<key>`) leads to, or on the own one.

        Without a ServiceAccount it is the controller, or on a remote cluster the kubeconfig's user. `anew` reads the
        Secret again; else what was read last counts, so that the operations of a run work on one cluster, until its
        credential is refused. Raises `OperationError` and `ClusterError` where the kubeconfig cannot be read or used;
        never for the own cluster.
        """
        if not kubeconfig:
            return self.local(namespace, service_account)
        spot = _Key(namespace, service_account, kubeconfig)
        version = self._versions.get(spot)
        hand = self._known(spot._replace(version=version)) if version and not anew else None
        # Whoever was refused may have been given another credential meanwhile.
        return hand if hand and not getattr(hand.cluster, "spent", False) else await self._remote(spot)

    def local(self, namespace: str, service_account: str) -> Hand:
        """An identity on the own cluster: what a StageSet names is read with it."""
        if not service_account:
            return self.own
        key = _Key(namespace, service_account)
        return self._known(key) or self._kept(key, self._act_as(namespace, service_account))

    def watches(self) -> list[WatchReport]:
        """The watches of all identities that are open now."""
        return [report for hand in (self.own, *list(self._hands.values())) for report in hand.watches.report()]

    async def let_go(self) -> None:
        """Close the watches of identities that were not used lately and have no subscriber."""
        now = asyncio.get_running_loop().time()
        for key in [key for key, used in self._used.items() if now - used > IDLE_S]:
            if key in self._hands and not any(report.subscribers for report in self._hands[key].watches.report()):
                del self._used[key]
                if self._versions.get(spot := key._replace(version="")) == key.version:
                    del self._versions[spot]
                await self._end(key, self._hands.pop(key))

    async def close(self) -> None:
        """End all watches and the connections to remote clusters; the base client stays open for whoever made it."""
        if self._letting_go is not None:
            await self._letting_go
        await asyncio.gather(self.own.watches.close(), *(self._end(*one) for one in self._hands.items()))

    async def _remote(self, spot: _Key) -> Hand:
        reader = self.local(spot.namespace, spot.service_account).cluster
        try:
            found = await kubeconfigs.read(reader, spot.kubeconfig, namespace=spot.namespace)
            key = spot._replace(version=found.version)
            hand = self._known(key)
            if hand is None:
                target = await kubeconfigs.checked(found)
                # Somebody else may have been faster.
                hand = self._known(key) or self._kept(key, self._reach(target, where=found.where, user=_user(spot)))
        except OperationError:
            # What is there now cannot be used, so what was there before is not used any more either.
            self._versions.pop(spot, None)
            raise
        self._versions[spot] = found.version
        return hand

    def _known(self, key: _Key) -> Hand | None:
        hand = self._hands.get(key)
        if hand is not None:
            self._touch(key)
        return hand

    def _kept(self, key: _Key, cluster: Cluster) -> Hand:
        self._touch(key)
        hand = self._hands[key] = Hand(cluster, Watches(cluster, **self._options))
        return hand

    def _touch(self, key: _Key) -> None:
        now = asyncio.get_running_loop().time()
        self._used[key] = now
        # Now and then somebody looks for those that nobody needs any more.
        if now - self._looked > IDLE_S / LOOKS and (self._letting_go is None or self._letting_go.done()):
            self._looked = now
            self._letting_go = asyncio.ensure_future(self.let_go())

    async def _end(self, key: _Key, hand: Hand) -> None:
        await hand.watches.close()
        if key.kubeconfig:
            await hand.cluster.close()


def _user(key: _Key) -> str:
    """CONTRACT §4.12: the user that is impersonated on a remote cluster."""
    return f"system:serviceaccount:{key.namespace}:{key.service_account}" if key.service_account else ""


def _unreachable(target: kubeconfig.Target, *, where: str, user: str) -> Cluster:
    raise OperationError(
        f"the kubeconfig in {where} leads to another cluster, and this installation reaches its own only",
        reason="Unavailable",
        retryable=False,
    )
