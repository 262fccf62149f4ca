"""Waiting for what defines (CRDs, Namespaces, classes) before what needs it is applied.

Not verification: only these short waits happen inside an operation, bounded to a minute, holding no thread. Invariant:
it ends, by readiness, by a terminal state or by the bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from reconciler import errors
from reconciler.adapters.operations.failures import Failure
from reconciler.adapters.operations.manifests import CRD_KIND, Placed, served_kinds
from reconciler.compute.fields import text
from reconciler.compute.kstatus import status_of
from reconciler.compute.order import ref_words, some
from reconciler.ports.cluster import Cluster, Object

SETTLE_MS_MAX = 60_000
_FIRST_PAUSE_MS = 100
_PAUSE_MS_MAX = 2_000

Sleep = Callable[[float], Awaitable[None]]


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One object and its last known state; None where it needed no request and was not read."""

    placed: Placed
    live: Object | None


async def settle(
    cluster: Cluster,
    waiting: Sequence[Waiting],
    *,
    ms_max: int = SETTLE_MS_MAX,
    on_progress: Callable[[str], None] = lambda _: None,
    sleep: Sleep = asyncio.sleep,
) -> dict[str, Failure]:
    """Poll until all are usable. The result has a failure for each id that is not; empty: all are.

    Time is counted in pauses, so that a simulated `sleep` simulates the bound too.
    """
    waited_ms, pause_ms = 0, _FIRST_PAUSE_MS
    while True:
        missing = {one.placed.id: (one, why) for one in waiting if (why := await _why_not(cluster, one))}
        failed = {key: _failure(one, why, waited_ms=waited_ms) for key, (one, why) in missing.items() if _terminal(one)}
        if failed or not missing:
            return failed
        if waited_ms >= ms_max:
            return {key: _failure(one, why, waited_ms=waited_ms) for key, (one, why) in missing.items()}
        on_progress("waiting for " + some([_words(one, why) for one, why in missing.values()], items_max=3))
        await sleep(pause_ms / 1000)
        waited_ms, pause_ms = waited_ms + pause_ms, min(pause_ms * 3 // 2, _PAUSE_MS_MAX)
        waiting = [await _again(cluster, one) for one, _ in missing.values()]


async def _why_not(cluster: Cluster, one: Waiting) -> str:
    """Why the object is not usable yet; empty if it is."""
    if one.live is not None:
        verdict = status_of(one.live, now_ms=0)
        if verdict.status != "Current":
            return verdict.message
        if text(one.live, "kind") == "Namespace" and text(one.live, "status", "phase") not in ("", "Active"):
            return f"is in phase {text(one.live, 'status', 'phase')}"
    return await _not_served(cluster, one.placed) if one.placed.ref.kind == CRD_KIND else ""


async def _not_served(cluster: Cluster, placed: Placed) -> str:
    for api_version, kind in served_kinds(placed.manifest.obj):
        try:
            await cluster.resource(api_version, kind)
        except errors.ClusterError:
            return f"{api_version} {kind} is not served yet"
    return ""


def _terminal(one: Waiting) -> bool:
    return one.live is not None and status_of(one.live, now_ms=0).status == "Failed"


async def _again(cluster: Cluster, one: Waiting) -> Waiting:
    try:
        return Waiting(placed=one.placed, live=await cluster.get(one.placed.ref))
    except errors.Forbidden:
        # Who may apply but not read cannot wait: discovery and the next request will tell.
        return Waiting(placed=one.placed, live=None)
    except errors.ClusterError:
        return one


def _words(one: Waiting, why: str) -> str:
    return f"{ref_words(one.placed.ref)}: {why}"


def _failure(one: Waiting, why: str, *, waited_ms: int) -> Failure:
    after = f" after {waited_ms / 1000:.0f} s" if waited_ms else ""
    return Failure(
        code=0,
        reason="NotUsable",
        message=f"{_words(one, why)}{after}, so that nothing that needs it was applied",
        retryable=True,
    )
