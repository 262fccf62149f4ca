"""Who waits for whom: which StageSets depend on which, and who is woken when one becomes ready.

Not a poll and not a list of the ready: it asks members, and each tells what its last look found. Invariant: a change of
one StageSet costs as much as there are others that wait for it, however many there are in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from reconciler.compute.dependencies import Key, Rules, circular, cycle, elsewhere, missing, needs, not_ready
from reconciler.ports.members import Observed
from reconciler.ports.sources import Unknown
from reconciler.triggers import Obstacle


class Ordered(Protocol):
    """A member, as far as others wait for it."""

    @property
    def settled(self) -> bool | None:
        """Whether it is ready with its newest spec and revisions; None: it has to look first."""

    def kick(self) -> None:
        """Look again, soon."""


class Ordering:
    """The dependencies among `members`. `absent` tells of one that is none of them whether it is known not to exist."""

    def __init__(self, members: Mapping[Key, Ordered], *, rules: Rules, absent: Callable[[Key], bool]) -> None:
        self._members, self._rules, self._absent = members, rules, absent
        #: of those alone that depend on something
        self._needs: dict[Key, tuple[Key, ...]] = {}
        #: by whom it is waited for: who waits, and whether the answer was that it is not known
        self._waiting: dict[Key, dict[Key, bool]] = {}
        #: the circle that each is in, or that it is in none; until a dependency changes
        self._circles: dict[Key, tuple[Key, ...]] = {}
        #: who was told of a circle
        self._stalled: dict[Key, None] = {}

    def seen(self, key: Key, observed: Observed | None, *, new: bool = False) -> None:
        """A StageSet is there, is `new`, or is gone (`None`)."""
        before = self._needs.get(key, ())
        after = needs(observed.spec, namespace=observed.namespace) if observed is not None else ()
        if after != before:
            for one in before:
                self._forget(key, one)
            self._change(key, after)
        if new or observed is None:
            self._kick(self._waiting.pop(key, ()))

    def obstacle(self, key: Key) -> Obstacle | Unknown | None:
        """Why a StageSet may not start now; None where nothing that it depends on is in the way.

        Circles first, then the dependencies in their order (CONTRACT §4.0). Who gets an answer other than None is woken
        when it may be another.
        """
        needed = self._needs.get(key, ())
        for one in needed:
            refusal = self._rules.refusal(key, one)
            if refusal is not None:
                return refusal
        circle = self._circle(key) if needed else ()
        if circle:
            self._stalled[key] = None
            return circular(circle)
        for one in needed:
            found = self._standing(one, foreign=one[0] != key[0])
            if found is not None:
                self._waiting.setdefault(one, {})[key] = isinstance(found, Unknown)
                return found
        return None

    def looked(self, key: Key, *, settled: bool | None) -> None:
        """A member has looked at itself, and found itself ready, or not, or could not tell yet."""
        waiting = self._waiting.get(key)
        if not waiting or settled is None:
            return
        woken = list(waiting) if settled else [one for one, unknown in waiting.items() if unknown]
        for one in woken:
            del waiting[one]
        if not waiting:
            del self._waiting[key]
        self._kick(woken)

    def all_known(self) -> None:
        """All StageSets have been seen once: who is not there does not exist."""
        for key in [key for key in self._waiting if key not in self._members]:
            self._kick(self._waiting.pop(key))

    def _forget(self, key: Key, needed: Key) -> None:
        """It does not wait for this one any more."""
        waiting = self._waiting.get(needed, {})
        waiting.pop(key, None)
        if not waiting:
            self._waiting.pop(needed, None)

    def _change(self, key: Key, after: tuple[Key, ...]) -> None:
        if after:
            self._needs[key] = after
        else:
            self._needs.pop(key, None)
        self._circles.clear()
        stalled, self._stalled = self._stalled, {}
        # Circles that are no more, and those that begin here.
        self._kick(dict.fromkeys((*stalled, *self._circle(key))))

    def _circle(self, key: Key) -> tuple[Key, ...]:
        found = self._circles.get(key)
        if found is None:
            found = self._circles[key] = cycle(self._needs, key)
        return found

    def _standing(self, needed: Key, *, foreign: bool) -> Obstacle | Unknown | None:
        """`foreign`: in another namespace, of which nobody is told what there is."""
        member = self._members.get(needed)
        if member is None and not self._absent(needed):
            return Unknown()
        if foreign and (member is None or member.settled is False):
            return elsewhere(needed)
        if member is None:
            return missing(needed)
        settled = member.settled
        if settled is None:
            return Unknown()
        return None if settled else not_ready(needed)

    def _kick(self, keys: Iterable[Key]) -> None:
        for key in keys:
            member = self._members.get(key)
            if member is not None:
                member.kick()
