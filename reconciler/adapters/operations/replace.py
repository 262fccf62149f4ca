"""REPLACE: delete live objects that are in the way of an apply, and wait until they are gone.

Not the proof that they are, and not their re-creation. Invariants: nothing is deleted but the very objects (by UID)
that were proved to be in the way and are still ours; nothing is deleted unless all of them may be. Doing it again is
harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from reconciler import errors
from reconciler.adapters.operations.existing import Live, Owner, foreign_words, live_of
from reconciler.adapters.operations.failures import Failure, Scrub, evidence, failure_of, summary, unscrubbed
from reconciler.adapters.operations.pool import each
from reconciler.adapters.operations.settle import Sleep
from reconciler.api import names
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Cluster, Object, Ref

T = TypeVar("T")

CONCURRENCY = 8
#: Times that one object is asked for or deleted when the server is busy or the answer was lost.
TRIES_MAX = 5
#: The first and the longest pause between two looks, in seconds.
PAUSE_S, PAUSE_S_MAX = 0.1, 2.0

#: `gone`: it was not there any more, or another object has its name. `left`: nothing was done to it.
Fate = Literal["deleted", "gone", "terminating", "failed", "left"]


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """A live object that is in the way."""

    id: str
    ref: Ref
    uid: str


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an obstacle."""

    obstacle: Obstacle
    fate: Fate
    failure: Failure | None = None


class ReplaceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the operation, in the order of the obstacles."""

    removals: tuple[Removal, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(r.failure for r in self.removals if r.failure is not None)

    @property
    def message(self) -> str:
        """A sentence for people."""
        if self.failures:
            return summary(self.failures, what="object")
        return ", ".join(f"{ref_words(r.obstacle.ref)} {r.fate}" for r in self.removals)

    @property
    def retryable(self) -> bool:
        """What is gone already has to exist again soon, whatever else failed."""
        removed = any(r.fate in ("deleted", "gone", "terminating") for r in self.removals)
        return removed or all(failure.retryable for failure in self.failures)

    def evidence(self) -> dict[str, Any]:
        """JSON-compatible, bounded: the failures with the API's Status."""
        return evidence(self.failures)


@dataclass(frozen=True, kw_only=True)
class ReplaceOptions:
    """What a replacement needs beside the objects."""

    owner: Owner
    #: Milliseconds left until the deadline; asked before each pause.
    left_ms: Callable[[], int]
    scrub: Scrub = unscrubbed
    sleep: Sleep = asyncio.sleep


async def replace_set(cluster: Cluster, obstacles: Sequence[Obstacle], *, options: ReplaceOptions) -> ReplaceResult:
    """Delete the obstacles (Background propagation) and wait until they are gone, or the deadline is there."""
    remover = _Remover(cluster, options)
    looked = await each(obstacles, remover.look, limit=CONCURRENCY)
    if any(one.failure is not None for one in looked):
        return ReplaceResult(removals=tuple(looked))
    return ReplaceResult(removals=tuple(await each(looked, remover.remove, limit=max(1, len(looked)))))


class _Remover:
    def __init__(self, cluster: Cluster, options: ReplaceOptions) -> None:
        self._cluster = cluster
        self._options = options

    async def look(self, obstacle: Obstacle) -> Removal:
        """Whether it is there, and may be deleted; nothing is done to it."""
        try:
            live = await self._patiently(lambda: self._live(obstacle))
            if live is None:
                return Removal(obstacle=obstacle, fate="gone")
            failure = self._forbidden(obstacle.ref, live_of(live))
            if failure is None and not await self._patiently(lambda: self._allowed(obstacle.ref)):
                # Refused as it is, the server says in full who may not do what.
                await self._delete(obstacle)
        except errors.ClusterError as error:
            failure = self._failure(obstacle.ref, error)
        return Removal(obstacle=obstacle, fate="failed" if failure is not None else "left", failure=failure)

    async def remove(self, looked: Removal) -> Removal:
        """Delete it, and wait until it is gone."""
        obstacle = looked.obstacle
        if looked.fate == "gone":
            return looked
        try:
            await self._patiently(lambda: self._delete(obstacle))
            kept = await self._awaited(obstacle)
        except errors.ClusterError as error:
            return Removal(obstacle=obstacle, fate="failed", failure=self._failure(obstacle.ref, error))
        if kept is None:
            return Removal(obstacle=obstacle, fate="deleted")
        return Removal(obstacle=obstacle, fate="terminating", failure=_kept(obstacle.ref, kept))

    async def _delete(self, obstacle: Obstacle) -> None:
        live = await self._live(obstacle)
        if live is None or live_of(live).terminating:
            return
        try:
            await self._cluster.delete(obstacle.ref, uid=obstacle.uid, cascade="Background")
        except (errors.NotFound, errors.NoSuchKind):
            return

    async def _awaited(self, obstacle: Obstacle) -> Object | None:
        """The object as it still is at the deadline; None as soon as it is gone."""
        pause_s = PAUSE_S
        while (live := await self._patiently(lambda: self._live(obstacle))) is not None:
            left_s = self._options.left_ms() / 1000
            if left_s <= 0:
                return live
            await self._options.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, PAUSE_S_MAX)
        return None

    async def _live(self, obstacle: Obstacle) -> Object | None:
        try:
            live = await self._cluster.get(obstacle.ref)
        except (errors.NotFound, errors.NoSuchKind):
            return None
        return live if live_of(live).uid == obstacle.uid else None

    async def _allowed(self, ref: Ref) -> bool:
        try:
            return await self._cluster.allowed("delete", ref)
        except errors.Forbidden:
            # Who may not even ask finds out by doing.
            return True

    def _forbidden(self, ref: Ref, live: Live) -> Failure | None:
        owner = self._options.owner
        if other := owner.other(live):
            why = foreign_words(ref, owner=owner, other=other)
        elif not owner.owns(live):
            why = f"{ref_words(ref)} does not have the labels of {owner.words()} any more, so it is not deleted"
        elif names.is_prune_disabled(live.labels, live.annotations):
            why = f"{ref_words(ref)} has {names.PRUNE}: disabled, so it is not deleted"
        else:
            return None
        return Failure(code=409, reason="OwnedByAnother", message=why, retryable=False)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, TRIES_MAX):
            try:
                return await ask()
            except (errors.Unavailable, errors.TooManyRequests, errors.Conflict) as error:
                await self._options.sleep(min(max(error.retry_after_s, PAUSE_S * 2**attempt), PAUSE_S_MAX))
        return await ask()

    def _failure(self, ref: Ref, error: errors.ClusterError) -> Failure:
        return failure_of(error, ref=ref, scrub=self._options.scrub)


def _kept(ref: Ref, live: Object) -> Failure:
    finalizers = ", ".join(live_of(live).finalizers)
    why = f"kept by its finalizers {finalizers}" if finalizers else "and it is not known what keeps it"
    return Failure(
        code=409,
        reason="Terminating",
        message=f"{ref_words(ref)} was deleted to be made anew, and is still there, {why}",
        retryable=True,
        hint="it is made anew once it is gone: see to what its finalizers wait for",
    )
