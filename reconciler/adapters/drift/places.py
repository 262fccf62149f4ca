"""Which kinds are watched where, as whom: one watch for all StageSets that own objects of a kind in a place.

Not the policy of what a change means. Where listing is forbidden nothing is watched for a while; the controller's own
identity watches a kind in all namespaces at once where it may. Invariant: the number of watches has a cap.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from reconciler.adapters.drift.kept import SELECTOR, Kept
from reconciler.adapters.watches import Key, Subscription, Watches
from reconciler.errors import ClusterError, Forbidden
from reconciler.ports.cluster import Ref, Scope

log = logging.getLogger(__name__)

#: Watches beyond this many are not begun: their objects are looked at in intervals.
PLACES_MAX = 500
#: How long nothing is asked where listing was forbidden, in seconds.
REFUSED_S = 600.0

#: Namespace and name of a StageSet.
Owner = tuple[str, str]


class PlaceKey(NamedTuple):
    """As whom (the identity's watches), and what."""

    watches: Watches
    api_version: str
    kind: str
    #: empty: all
    namespace: str


class Place:
    """One kind in one namespace, or in all, as one identity."""

    def __init__(self, key: PlaceKey) -> None:
        self.key = key
        #: StageSets with objects here
        self.users: set[Owner] = set()
        #: objects as they were last told
        self.known: dict[Key, Kept] = {}
        #: the first look is done
        self.synced = False
        self.subscription: Subscription | None = None
        self.first_look: asyncio.Task[None] | None = None

    def get(self, ref: Ref) -> Kept | None:
        """What is kept of an object; None for one that is not there, or has lost its labels."""
        return self.known.get(Key(ref.namespace, ref.name))

    def close(self) -> None:
        if self.subscription is not None:
            self.subscription.close()
        if self.first_look is not None:
            self.first_look.cancel()


#: Called with a place, the object, what was kept of it and what is now.
Heard = Callable[[Place, Key, Kept | None, Kept | None], None]


class Places:
    """All of them. `heard` is told each change, `news` the StageSets for which a place is known, or refused, by now."""

    def __init__(
        self, *, wide: Watches | None, heard: Heard, news: Callable[[Iterable[Owner]], None], most: int = PLACES_MAX
    ) -> None:
        self._wide, self._heard, self._news, self._most = wide, heard, news, most
        self._places: dict[PlaceKey, Place] = {}
        #: where listing is forbidden, and until when that is believed, in the loop's seconds
        self._refused: dict[PlaceKey, float] = {}
        self._held: dict[Owner, tuple[Place, ...]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def of(self, watches: Watches, ref: Ref) -> Place | None:
        """Where an object is watched, begun if need be; None where it cannot be."""
        narrow = PlaceKey(watches, ref.api_version, ref.kind, ref.namespace)
        keys = [narrow._replace(namespace=""), narrow] if watches is self._wide and ref.namespace else [narrow]
        for key in keys:
            place = self._places.get(key) or self._begun(key)
            if place is not None:
                return place
        return None

    def hold(self, owner: Owner, places: Iterable[Place]) -> None:
        """These are all places of a StageSet from now on; what nobody needs any more is let go."""
        wanted = tuple(dict.fromkeys(places))
        before = self._held.pop(owner, ())
        if wanted:
            self._held[owner] = wanted
        for place in wanted:
            place.users.add(owner)
        for place in before:
            if place not in wanted:
                place.users.discard(owner)
                if not place.users and self._places.get(place.key) is place:
                    del self._places[place.key]
                    place.close()

    def close(self) -> Iterator[asyncio.Task[None]]:
        """End all; gives what is to be awaited."""
        for place in self._places.values():
            place.close()
            if place.first_look is not None:
                yield place.first_look
        self._places.clear()
        self._held.clear()

    def _begun(self, key: PlaceKey) -> Place | None:
        now = asyncio.get_running_loop().time()
        if self._refused.get(key, 0.0) > now or len(self._places) >= self._most:
            return None
        self._refused.pop(key, None)
        place = Place(key)
        scope = Scope(key.api_version, key.kind, key.namespace, label_selector=SELECTOR, metadata_only=True)
        try:
            place.subscription = key.watches.subscribe(
                scope, on_change=partial(self._changed, place), on_problem=partial(self._problem, place)
            )
        except RuntimeError:
            # The identity was let go just now: it is asked for anew with the next look.
            return None
        place.first_look = asyncio.ensure_future(self._first_look(place, place.subscription))
        self._places[key] = place
        return place

    async def _first_look(self, place: Place, subscription: Subscription) -> None:
        with suppress(RuntimeError):
            place.known = await subscription.snapshot()
            place.synced = True
            self._news(tuple(place.users))

    def _changed(self, place: Place, key: Key, now: Kept | None) -> None:
        before = place.known.get(key)
        if now is None:
            place.known.pop(key, None)
        else:
            place.known[key] = now
        if place.synced and before != now:
            self._heard(place, key, before, now)

    def _problem(self, place: Place, problem: ClusterError | None) -> None:
        if not isinstance(problem, Forbidden) or self._places.get(place.key) is not place:
            return
        where = f"in namespace {place.key.namespace}" if place.key.namespace else "in all namespaces"
        log.info("objects of kind %s %s are not watched for drift: %s", place.key.kind, where, problem.message)
        self._refused[place.key] = asyncio.get_running_loop().time() + REFUSED_S
        del self._places[place.key]
        users = tuple(place.users)
        place.close()
        self._news(users)
