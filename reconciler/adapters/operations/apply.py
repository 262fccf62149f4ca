"""APPLY: bring the objects of a stage to the cluster with server-side apply (KEP-555).

Not a decision about conflicts, and not verification. Invariants: nothing is written while any object belongs to another
StageSet or cannot be placed; an object that is known to be unchanged costs no request; groups and ranks are written in
order, and after a failure nothing of a later rank is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from reconciler import errors
from reconciler.adapters.operations.conflicts import Chooser, Judge, refused
from reconciler.adapters.operations.existing import Live, Owner, claimed_words, foreign_words, live_of, read_existing
from reconciler.adapters.operations.failures import (
    Failure,
    Scrub,
    failure_of,
    is_malformed,
    terminating,
    unscrubbed,
)
from reconciler.adapters.operations.manifests import Manifest, Placed, placed
from reconciler.adapters.operations.pool import each
from reconciler.adapters.operations.results import (
    ApplyResult,
    Known,
    ObjectResult,
    action_of,
    failed,
    kept,
    result_of,
    skipped,
    written,
)
from reconciler.adapters.operations.settle import SETTLE_MS_MAX, Sleep, Waiting, settle
from reconciler.api import names
from reconciler.compute.fields import maps, strings, text
from reconciler.compute.order import apply_order, group_index, unchanged
from reconciler.ports.cluster import Cluster, Object, Ref

CONCURRENCY = 8
#: Times that one object is sent when the server asks to wait or the answer is lost.
WRITES_MAX = 3
PAUSE_S_MAX = 5.0


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """What an apply needs beside the objects."""

    owner: Owner
    #: By id: what the ledger recorded of objects that this stage applied before.
    known: Mapping[str, Known] = field(default_factory=dict)
    #: By id: metadata that the caller has from watches (None: not there); what is missing is read where it matters.
    live: Mapping[str, Live | None] = field(default_factory=dict)
    concurrency: int = CONCURRENCY
    settle_ms_max: int = SETTLE_MS_MAX
    #: The policy for fields that cannot change; None: such a refusal is a failure like any other.
    choose: Chooser | None = None
    #: Claims ids for the time of the apply, and tells who else has claimed some of them.
    claim: Callable[[Iterable[str]], AbstractContextManager[Mapping[str, Owner]]] = lambda _: nullcontext({})
    #: Takes values of Secrets out of texts that a server returned.
    scrub: Scrub = unscrubbed
    #: Told each result as soon as it is known: what is left of a cancelled apply.
    on_result: Callable[[ObjectResult], None] = lambda _: None
    #: Told in words what is being waited for.
    on_progress: Callable[[str], None] = lambda _: None
    sleep: Sleep = asyncio.sleep


async def apply_set(cluster: Cluster, manifests: Sequence[Manifest], *, options: ApplyOptions) -> ApplyResult:
    """Apply all manifests; the outcome holds a result for each of them, in their order.

    Cancelling is safe at any moment: each request is idempotent, and applying the same set again ends in the same
    state.
    """
    objects = await placed(cluster, manifests, scrub=options.scrub)
    if any(p.failure is not None for p in objects):
        return result_of([_not_tried(p, p.failure) for p in objects])
    with options.claim([p.id for p in objects]) as others:
        if others:
            return result_of([_not_tried(p, _claimed(p, others, owner=options.owner)) for p in objects])
        return await _applied(cluster, objects, options=options)


async def _applied(cluster: Cluster, objects: Sequence[Placed], *, options: ApplyOptions) -> ApplyResult:
    try:
        before = await _before(cluster, objects, options=options)
    except errors.ClusterError as error:
        first = failure_of(error, ref=objects[0].ref, scrub=options.scrub)
        return result_of([failed(objects[0], first), *(skipped(p) for p in objects[1:])])
    foreign = {p.id: failure for p in objects if (failure := _foreign(p, before, owner=options.owner)) is not None}
    if foreign:
        return result_of([_not_tried(p, foreign.get(p.id)) for p in objects])
    results = await _Writer(cluster, objects, before=before, options=options).write()
    return result_of([results.get(p.id) or skipped(p) for p in objects])


def _not_tried(placed: Placed, failure: Failure | None) -> ObjectResult:
    return skipped(placed) if failure is None else failed(placed, failure)


async def _before(cluster: Cluster, objects: Sequence[Placed], *, options: ApplyOptions) -> dict[str, Live | None]:
    """What is there already, read only where it can save a request or reveal another owner.

    An object that the ledger knows and whose digest changed is written in any case, and is ours: it is not read.
    """
    unread = [p for p in objects if p.id not in options.live and _worth_reading(p, options.known.get(p.id))]
    found = await read_existing(cluster, [p.ref for p in unread], limit=options.concurrency)
    return {**options.live, **{p.id: found[p.ref] for p in unread if p.ref in found}}


def _worth_reading(placed: Placed, known: Known | None) -> bool:
    return known is None or not known.digest or known.digest == placed.manifest.digest


def _foreign(placed: Placed, before: Mapping[str, Live | None], *, owner: Owner) -> Failure | None:
    live = before.get(placed.id)
    other = owner.other(live) if live is not None else ""
    if not other:
        return None
    message = foreign_words(placed.ref, owner=owner, other=other)
    return Failure(code=409, reason="OwnedByAnother", message=message, retryable=False)


def _claimed(placed: Placed, others: Mapping[str, Owner], *, owner: Owner) -> Failure | None:
    other = others.get(placed.id)
    if other is None:
        return None
    message = claimed_words(placed.ref, owner=owner, other=other)
    # What the other one makes of it can be seen on the object in a moment.
    return Failure(code=409, reason="OwnedByAnother", message=message, retryable=True)


def is_unchanged(manifest: Manifest, *, known: Known | None, live: Live | None) -> bool:
    """Whether the live object is known to be as last applied, so that no request is needed.

    The desired digest and the UID must be the recorded ones; then an equal resource version proves it, and so does an
    equal generation with all labels and annotations in place, because a generation counts every change outside
    metadata and status.
    """
    if known is None or live is None or live.terminating:
        return False
    if known.digest != manifest.digest or known.uid != live.uid:
        return False
    if known.resource_version and known.resource_version == live.resource_version:
        return True
    labelled = strings(manifest.obj, "metadata", "labels").items() <= live.labels.items()
    annotated = strings(manifest.obj, "metadata", "annotations").items() <= live.annotations.items()
    return known.generation is not None and known.generation == live.generation and labelled and annotated


class _Writer:
    """One pass over the groups; remembers what it saw on the way."""

    def __init__(
        self, cluster: Cluster, objects: Iterable[Placed], *, before: Mapping[str, Live | None], options: ApplyOptions
    ) -> None:
        self._cluster = cluster
        self._objects = {p.ref: p for p in objects}
        self._before = before
        self._options = options
        self._results: dict[str, ObjectResult] = {}
        self._definitions: list[Waiting] = []
        self._judge = options.choose and Judge(cluster, owner=options.owner, choose=options.choose, scrub=options.scrub)

    async def write(self) -> dict[str, ObjectResult]:
        """Results by id; objects that were not tried have none."""
        groups = apply_order(self._objects)
        for at, group in enumerate(groups):
            for rank in group:
                await each(rank, self._one, limit=self._options.concurrency)
                if any(self._results[self._objects[ref].id].failure for ref in rank):
                    return self._results
            if at + 1 < len(groups) and not await self._settled():
                return self._results
        return self._results

    async def _settled(self) -> bool:
        options = self._options
        failures = await settle(
            self._cluster,
            self._definitions,
            ms_max=options.settle_ms_max,
            on_progress=options.on_progress,
            sleep=options.sleep,
        )
        for one in self._definitions:
            failure = failures.get(one.placed.id)
            result = self._results[one.placed.id]
            if failure is not None:
                self._note(written(one.placed, _seen(result), action=result.action, failure=failure))
        self._definitions = []
        return not failures

    async def _one(self, ref: Ref) -> None:
        placed = self._objects[ref]
        live = self._before.get(placed.id)
        if live is not None and is_unchanged(placed.manifest, known=self._options.known.get(placed.id), live=live):
            self._note(kept(placed, live))
            self._remember(placed, None)
            return
        try:
            after = await self._send(placed)
        except errors.ClusterError as error:
            self._note(await self._refused(placed, error))
            return
        self._note(self._written(placed, after))
        self._remember(placed, after)

    async def _refused(self, placed: Placed, error: errors.ClusterError) -> ObjectResult:
        if self._judge is None:
            return refused(placed, error, scrub=self._options.scrub)
        result = await self._judge.judge(placed, error)
        if result.owned:
            # What is kept is there, and usable as it was.
            self._remember(placed, None)
        return result

    def _written(self, placed: Placed, after: Object) -> ObjectResult:
        seen = placed.id in self._before
        before = self._before.get(placed.id) or (None if seen else self._options.known.get(placed.id))
        action = action_of(after, before=before, seen=seen, manager=names.FIELD_MANAGER)
        live = live_of(after)
        return written(
            placed, live, action=action, failure=terminating(placed.ref, live.finalizers) if live.terminating else None
        )

    def _remember(self, placed: Placed, after: Object | None) -> None:
        if group_index(placed.ref.kind) < 2:
            self._definitions.append(Waiting(placed=placed, live=after))

    def _note(self, result: ObjectResult) -> None:
        self._results[result.id] = result
        self._options.on_result(result)

    async def _send(self, placed: Placed) -> Object:
        """PATCH, and again where the server asked to wait; a lost answer is looked for in the cluster first."""
        attempt = 1
        while True:
            try:
                return await self._cluster.apply(placed.manifest.obj, manager=names.FIELD_MANAGER, force=True)
            except (errors.Unavailable, errors.TooManyRequests, errors.Conflict) as error:
                if attempt >= WRITES_MAX or is_malformed(error):
                    raise
                await self._options.sleep(min(max(error.retry_after_s, 0.1 * 2**attempt), PAUSE_S_MAX))
                found = await self._read_back(placed) if isinstance(error, errors.Unavailable) else None
                if found is not None:
                    return found
            attempt += 1

    async def _read_back(self, placed: Placed) -> Object | None:
        try:
            live = await self._cluster.get(placed.ref)
        except errors.ClusterError:
            return None
        managed = any(
            text(entry, "manager") == names.FIELD_MANAGER for entry in maps(live, "metadata", "managedFields")
        )
        return live if managed and unchanged(placed.manifest.obj, live) else None


def _seen(result: ObjectResult) -> Live:
    return Live(uid=result.uid, resource_version=result.resource_version, generation=result.generation)
