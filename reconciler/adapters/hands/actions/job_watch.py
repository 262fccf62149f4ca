"""Hears of created objects until they end or vanish, through the shared watches.

Not a poll. Invariant: absence and a change of UID are believed only after the server itself was asked: a shared watch
may still show the moment before the object was created.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

from reconciler.adapters.clusters import Hand
from reconciler.adapters.hands.actions.job_look import read
from reconciler.adapters.watches import Key, Subscription
from reconciler.compute.fields import cut, text
from reconciler.errors import ClusterError
from reconciler.ports.cluster import Object, Ref, Scope


class Watching:
    """Subscriptions to some objects with known UIDs, as an asynchronous context manager."""

    def __init__(self, hand: Hand, uids: Mapping[Ref, str]) -> None:
        self._hand, self._uids = hand, uids
        self._latest: dict[Ref, Object | None] = {}
        self._woken = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        #: why objects cannot be looked at just now
        self.problems: dict[Scope, str] = {}

    async def __aenter__(self) -> Self:
        scopes: dict[Scope, list[Key]] = {}
        for ref in self._uids:
            scope = Scope(ref.api_version, ref.kind, ref.namespace)
            scopes.setdefault(scope, []).append(Key(ref.namespace, ref.name))
        for scope, keys in scopes.items():
            subscription = self._hand.watches.subscribe(
                scope, keys=keys, on_change=partial(self._changed, scope), on_problem=partial(self._problem, scope)
            )
            self._subscriptions.append(subscription)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for subscription in self._subscriptions:
            subscription.close()

    async def next(self) -> tuple[Ref, Object | None]:
        """The next object that is not as it was, in its latest state; None or another UID were asked for.

        Raises `OperationError` where such a state cannot be confirmed.
        """
        while not self._latest:
            self._woken.clear()
            await self._woken.wait()
        ref = next(iter(self._latest))
        obj = self._latest.pop(ref)
        if obj is None or text(obj, "metadata", "uid") != self._uids[ref]:
            return ref, await read(self._hand.cluster, ref)
        return ref, {"apiVersion": ref.api_version, "kind": ref.kind, **obj}

    def _changed(self, scope: Scope, key: Key, obj: Object | None) -> None:
        self._latest[Ref(scope.api_version, scope.kind, key.namespace, key.name)] = obj
        self._woken.set()

    def _problem(self, scope: Scope, problem: ClusterError | None) -> None:
        if problem is None:
            self.problems.pop(scope, None)
        else:
            self.problems[scope] = cut(problem.message, 300)
