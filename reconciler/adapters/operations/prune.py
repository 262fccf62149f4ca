"""PRUNE: delete what a stage owns and no longer renders, and find out what is still there.

Not the choice of what that is: the caller folds it from recorded ownership and leaves out what any stage renders.
Invariant: nothing is deleted but the very object (by UID) whose owner labels were just read and found to be ours.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from reconciler import errors
from reconciler.adapters.operations.existing import Live, Owner, live_of
from reconciler.adapters.operations.failures import Failure, Scrub, evidence, failure_of, summary, unscrubbed
from reconciler.adapters.operations.pool import each
from reconciler.adapters.operations.settle import Sleep
from reconciler.api import names
from reconciler.compute.inventory import entry_id
from reconciler.compute.order import deletion_order, ref_words
from reconciler.ports.cluster import Cluster, Ref

CONCURRENCY = 8
#: Times that one object is looked at and deleted when it changed hands in between or the answer was lost.
TRIES_MAX = 3

#: `kept`: it stays, and stays ours. `handed-over`: it stays, and is somebody else's.
Disposal = Literal["deleted", "gone", "kept", "handed-over", "failed", "skipped"]


class PruneEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one object."""

    #: `namespace_name_group_kind`.
    id: str
    ref: Ref
    result: Disposal
    #: UID of the object that was looked at; empty where there was none.
    uid: str = ""
    #: Why it was left alone.
    reason: str = ""
    failure: Failure | None = None


class PruneResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of the operation, entries in the order of deletion."""

    ok: bool
    #: A sentence for people.
    message: str
    entries: tuple[PruneEntry, ...]
    #: `Pruned`, or the reason of the first failure.
    reason: str = "Pruned"
    retryable: bool = False

    def evidence(self) -> dict[str, Any]:
        """JSON-compatible, bounded: the failures with the API's Status."""
        return evidence([e.failure for e in self.entries if e.failure is not None])


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """What a prune needs beside the objects."""

    owner: Owner
    #: Ids that some stage renders: an object that moved between stages is never deleted.
    rendered: Collection[str] = frozenset()
    concurrency: int = CONCURRENCY
    scrub: Scrub = unscrubbed
    #: Told each entry as soon as it is known: what is left of a cancelled prune.
    on_entry: Callable[[PruneEntry], None] = lambda _: None
    sleep: Sleep = asyncio.sleep


async def prune_set(cluster: Cluster, refs: Sequence[Ref], *, options: PruneOptions) -> PruneResult:
    """Delete `refs` in reverse kind order, each if it is there, ours and not opted out; Background propagation.

    One GET and at most one DELETE for each object. After a failure nothing of a later rank is deleted, because what is
    left may still need it. Termination is not waited for: `remaining` tells what is still there.
    """
    pruner = _Pruner(cluster, options)
    entries: list[PruneEntry] = []
    halted = False
    for rank in deletion_order(dict.fromkeys(refs)):
        if halted:
            entries += [_entry(ref, "skipped", reason="an object before it could not be deleted") for ref in rank]
            continue
        done = await each(rank, pruner.one, limit=options.concurrency)
        entries += done
        halted = any(entry.failure is not None for entry in done)
    return _result(entries)


async def remaining(cluster: Cluster, refs: Sequence[Ref], *, owner: Owner) -> list[Ref]:
    """Those of `refs` that still exist, are ours and have not opted out: what a teardown waits for before it goes on.

    Raises ClusterError leaves when the cluster cannot be asked.
    """

    async def there(ref: Ref) -> bool:
        live = await _look(cluster, ref)
        return live is not None and owner.owns(live) and not _opted_out(live)

    found = await each(refs, there, limit=CONCURRENCY)
    return [ref for ref, is_there in zip(refs, found, strict=True) if is_there]


class _Pruner:
    def __init__(self, cluster: Cluster, options: PruneOptions) -> None:
        self._cluster = cluster
        self._options = options

    async def one(self, ref: Ref) -> PruneEntry:
        entry = await self._tried(ref)
        self._options.on_entry(entry)
        return entry

    async def _tried(self, ref: Ref) -> PruneEntry:
        if entry_id(ref) in self._options.rendered:
            return _entry(ref, "kept", reason="another stage renders it")
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return await self._delete(ref)
            except (errors.Conflict, errors.Unavailable, errors.TooManyRequests) as error:
                # Another object has its name now, or the answer was lost: looking again tells which.
                if attempt == TRIES_MAX:
                    return _failed(ref, error, scrub=self._options.scrub)
                await self._options.sleep(min(max(error.retry_after_s, 0.1 * 2**attempt), 5.0))
            except errors.ClusterError as error:
                return _failed(ref, error, scrub=self._options.scrub)
        raise AssertionError("the last attempt returns")

    async def _delete(self, ref: Ref) -> PruneEntry:
        live = await _look(self._cluster, ref)
        if live is None:
            return _entry(ref, "gone")
        if not self._options.owner.owns(live):
            other = self._options.owner.other(live)
            reason = f"it belongs to StageSet {other} now" if other else "its owner labels were removed"
            return _entry(ref, "handed-over", uid=live.uid, reason=reason)
        if _opted_out(live):
            return _entry(ref, "kept", uid=live.uid, reason=f"it has {names.PRUNE}: disabled")
        if not live.terminating:
            try:
                await self._cluster.delete(ref, uid=live.uid, cascade="Background")
            except (errors.NotFound, errors.NoSuchKind):
                return _entry(ref, "gone", uid=live.uid)
        return _entry(ref, "deleted", uid=live.uid)


async def _look(cluster: Cluster, ref: Ref) -> Live | None:
    """Metadata of the object; None where it, or its whole kind, is gone, or where it cannot be at all."""
    try:
        return live_of(await cluster.get(ref))
    except (errors.NotFound, errors.NoSuchKind, errors.BadRequest):
        # BadRequest: a namespaced kind without a namespace, claimed before anybody knew that the kind is namespaced.
        return None


def _opted_out(live: Live) -> bool:
    return names.is_prune_disabled(live.labels, live.annotations)


def _entry(ref: Ref, result: Disposal, *, uid: str = "", reason: str = "") -> PruneEntry:
    return PruneEntry(id=entry_id(ref), ref=ref, result=result, uid=uid, reason=reason)


def _failed(ref: Ref, error: errors.ClusterError, *, scrub: Scrub) -> PruneEntry:
    failure = failure_of(error, ref=ref, scrub=scrub)
    return PruneEntry(id=entry_id(ref), ref=ref, result="failed", failure=failure)


def _result(entries: Sequence[PruneEntry]) -> PruneResult:
    failures = [entry.failure for entry in entries if entry.failure is not None]
    if failures:
        return PruneResult(
            ok=False,
            message=summary(failures, what="object"),
            entries=tuple(entries),
            reason=failures[0].reason,
            retryable=all(failure.retryable for failure in failures),
        )
    counts = Counter(entry.result for entry in entries)
    parts = [f"{counts[r]} {r}" for r in ("deleted", "gone", "kept", "handed-over") if counts[r]]
    kept = next((f" ({ref_words(e.ref)}: {e.reason})" for e in entries if e.reason), "")
    return PruneResult(ok=True, message=(", ".join(parts) or "nothing to prune") + kept, entries=tuple(entries))
