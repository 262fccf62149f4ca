"""APPLY as an action: the objects of an artifact, server-side, outside the stage's inventory; ready where it is wanted.

Not their removal: a delete action of the same StageSet takes them away. Invariant: applying again ends in the same
state, so nothing here is ever in doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.rendering import ActionObjects, rendered
from reconciler.adapters.hands.actions.timing import check_time, left_s
from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.evidence import evidence_of
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.results import ApplyResult, Known, ObjectResult
from reconciler.adapters.operations.verify import Seen, Verification, VerifyOptions
from reconciler.compute.assess import Assessment, Targets
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.hands import Answer


async def perform(acting: Acting) -> Answer:
    """Apply what the artifact renders, record it, and await its readiness where the action says so."""
    part = acting.action.apply
    assert part is not None, "an apply action has an apply"
    try:
        if acting.first:
            check_time(acting, "anything was applied")
        made = await rendered(acting, path=part.path)
        result = await apply_set(
            acting.hand.cluster, [one.manifest for one in made.objects], options=_options(acting, made)
        )
    except (OperationError, ClusterError) as error:
        return acting.failed(error)
    items = [_item(one) for one in result.results]
    if not result.ok:
        failure = OperationError(
            result.message, reason=result.reason, retryable=result.retryable, evidence=result.evidence()
        )
        return acting.failed(failure, objects=items, blobs=made.blobs)
    await acting.report(items, result.message)
    if not part.wait:
        return acting.done(message=result.message, objects=items, blobs=made.blobs)
    return await _ready(acting, made, result, items)


def _options(acting: Acting, made: ActionObjects) -> ApplyOptions:
    target = acting.target
    known = {
        item.id: Known(digest=item.digest, uid=item.uid, resource_version=item.rv, generation=item.generation or None)
        for item in acting.newest().values()
        if item.uid and item.digest
    }
    return ApplyOptions(owner=Owner(namespace=target.namespace, name=target.name), known=known, scrub=made.scrub)


def _item(one: ObjectResult) -> Item:
    return Item(
        id=one.id,
        v=one.ref.api_version.rpartition("/")[2],
        uid=one.uid,
        rv=one.resource_version,
        generation=one.generation or 0,
        digest=one.digest,
        # Not "created": what an action created is the stage's from then on, and pruned.
        action="applied" if one.owned else one.action,
        message=one.failure.words() if one.failure else "",
    )


async def _ready(acting: Acting, made: ActionObjects, result: ApplyResult, items: Sequence[Item]) -> Answer:
    settled: asyncio.Future[Assessment] = asyncio.get_running_loop().create_future()

    def settle(found: Assessment) -> None:
        # The deadline may have ended the wait in the very turn in which the result came.
        if not settled.done():
            settled.set_result(found)

    seen = {
        one.ref: Seen(uid=one.uid, resource_version=one.resource_version, generation=one.generation)
        for one in result.results
    }
    options = VerifyOptions(clock_ms=acting.tools.clock.now_ms, on_result=settle, seen=seen)
    verification = Verification(acting.hand.watches, Targets(wait=tuple(seen)), options=options)
    verification.start()
    late = False
    try:
        async with asyncio.timeout(left_s(acting)):
            found = await settled
    except TimeoutError:
        found, late = verification.assessment(), True
    finally:
        verification.close()
    if not late and not found.failed:
        return acting.done(message=f"{result.message}; {found.message}", objects=items, blobs=made.blobs)
    evidence = await evidence_of(acting.hand.cluster, found, objects=verification.objects(), scrub=made.scrub)
    message = made.scrub(f"{'timed out: ' if late else ''}{found.message}")
    reason = "ApplyTimeout" if late else "ApplyFailed"
    error = OperationError(message, reason=reason, retryable=True, evidence=evidence)
    return acting.failed(error, objects=items, blobs=made.blobs)
