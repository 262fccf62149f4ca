"""VERIFY: hear from shared watches until everything is ready, something failed for good, or the deadline is there.

Holds no worker and polls nothing: a future that a callback settles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from ledger.errors import LedgerError
from ledger.events import Item, VerifyFinished, VerifyIntended
from ledger.instant import to_ms
from reconciler.adapters.hands.tools import Tools, failed, ok, stage_of
from reconciler.adapters.operations.evidence import evidence_of
from reconciler.adapters.operations.failures import scrubbed
from reconciler.adapters.operations.verify import Seen, Verification, VerifyOptions, resolve_checks
from reconciler.api.types import StageSetSpec
from reconciler.api.types.stage import ReadyChecks
from reconciler.compute.assess import Assessment, Targets, targets_of
from reconciler.compute.inputs import Inputs, encode
from reconciler.compute.inventory import entry_id, ref_of_entry
from reconciler.compute.judging import Sight, recorded
from reconciler.effects import Effect
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cluster, Ref
from reconciler.ports.hands import Answer, Target
from reconciler.state import State

_NO_CHECKS = ReadyChecks()
#: What a verification gets at least when it is taken up again, in milliseconds.
LOOK_MS = 5_000


#: Gives the function that takes the values of the stage's Secrets out of texts.
Scrubber = Callable[[], Awaitable[Callable[[str], str]]]


async def perform(tools: Tools, effect: Effect, *, target: Target, state: State, scrubber: Scrubber) -> Answer:
    """Await the readiness of what the stage applied. `scrubber` is asked only when there is a failure to tell of."""
    intent, run = effect.event, state.run
    assert isinstance(intent, VerifyIntended)
    assert run is not None, "a stage is verified in a run"
    stage = state.stages[effect.stage]
    applied = _applied(state, effect.stage)
    try:
        hand = await tools.clusters.hand(target.namespace, stage.service_account, stage.kubeconfig)
        targets = await targets_in(hand.cluster, state, effect.stage, namespace=target.namespace)
    except (OperationError, ClusterError) as error:
        return failed(VerifyFinished, error)
    result: asyncio.Future[Assessment] = asyncio.get_running_loop().create_future()
    verification = Verification(
        hand.watches,
        targets,
        options=VerifyOptions(clock_ms=tools.clock.now_ms, on_result=partial(_settle, result), seen=applied),
    )
    verification.start()
    late = False
    try:
        async with asyncio.timeout(_left_ms(intent, state, now_ms=tools.clock.now_ms()) / 1000):
            found = await result
    except TimeoutError:
        found, late = verification.assessment(), True
    finally:
        verification.close()
    if late or found.failed:
        sight = Sight(verification.objects(), verification.unreadable(), tools.clock.now_ms())
        scrub = await scrubber()
        evidence = await evidence_of(hand.cluster, found, objects=sight.objects, scrub=scrub)
        judged = recorded(sight, targets, message=found.message, scrub=partial(scrubbed, scrub=scrub))
        event = unready(found, late=late, scrub=scrub, evidence=evidence)
        return Answer(event, "failed", await _kept(tools, judged))
    return ok(VerifyFinished(message=found.message))


async def targets_in(cluster: Cluster, state: State, stage: str, *, namespace: str) -> Targets:
    """What is to be verified of a stage in this run. Raises `ClusterError` leaves."""
    assert state.run is not None, "a stage is verified in a run"
    checks = stage_of(msgspec.convert(state.run.spec, StageSetSpec), stage).ready_checks or _NO_CHECKS
    named = await resolve_checks(cluster, checks.checks, namespace=namespace)
    applied = list(_applied(state, stage))
    return targets_of(applied, checks=named, exprs=checks.exprs, disable_wait=checks.disable_wait)


async def _kept(tools: Tools, judged: Inputs | None) -> tuple[str, ...]:
    """What was judged, beside the answer; without it where the ledger has no room for it just now."""
    data = encode(judged) if judged is not None else None
    with suppress(LedgerError):
        return () if data is None else (await tools.journal.put_blob(data),)
    return ()


def _settle(result: asyncio.Future[Assessment], found: Assessment) -> None:
    # A deadline or a newer run may have ended the wait in the very turn in which the result came.
    if not result.done():
        result.set_result(found)


def _left_ms(intent: VerifyIntended, state: State, *, now_ms: int) -> int:
    """Time until the deadline. After a restart that outlasted it there is still time for a look."""
    deadline_ms = to_ms(intent.deadline)
    whole_ms = deadline_ms - (state.pending.since_ms if state.pending is not None else now_ms)
    return max(deadline_ms - now_ms, min(whole_ms, LOOK_MS), 0)


def _applied(state: State, stage: str) -> dict[Ref, Seen]:
    """What the stage renders in this run, with what the apply saw of it."""
    assert state.run is not None
    render, owned = state.run.renders[stage], state.stages[stage].owned
    found: dict[Ref, Seen] = {}
    for key, version in render.versions.items():
        ref = ref_of_entry(key, version=version)
        if ref is not None:
            mine = owned[key]
            found[ref] = Seen(uid=mine.uid, resource_version=mine.rv, generation=mine.generation or None)
    return found


def unready(
    found: Assessment, *, late: bool, scrub: Callable[[str], str], evidence: dict[str, Any] | None = None
) -> VerifyFinished:
    """The failure, with evidence that the cluster itself forgets in an hour."""
    items = [
        Item(
            id=entry_id(one.ref),
            v=one.ref.api_version.rpartition("/")[2],
            action=one.status,
            message=scrub(one.message),
        )
        for one in (*found.failed, *found.pending)
    ]
    return VerifyFinished(
        reason="VerifyTimeout" if late else "VerifyFailed",
        message=scrub(f"{'timed out: ' if late else ''}{found.message}"),
        retryable=True,
        evidence=evidence or {},
        objects=items,
    )
