"""What is kept of a failed verification before the cluster forgets it: objects, their Pods, Warning Events.

Not a diagnosis. Invariants: a read that fails leaves a note, never an exception; every item is projected and scrubbed;
the whole stays below a number of items and bytes, whatever the cluster holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reconciler.adapters.operations.events import warnings_about
from reconciler.adapters.operations.failures import Scrub, scrubbed, unscrubbed
from reconciler.adapters.operations.owned_pods import owned_pods
from reconciler.compute.assess import Assessment, Unready
from reconciler.compute.fields import cut, maps, text, whole
from reconciler.compute.order import ref_of, ref_words
from reconciler.compute.project import projected
from reconciler.ports.cluster import Cluster, Object, Ref

OBJECTS_MAX = 10
PODS_MAX = 10
EVENTS_MAX = 20
BYTES_MAX = 64 * 1024


async def evidence_of(
    cluster: Cluster, assessment: Assessment, *, objects: Mapping[Ref, Object | None], scrub: Scrub = unscrubbed
) -> dict[str, Any]:
    """JSON-compatible evidence of why a verification did not succeed.

    `objects` holds the latest state of the objects that were verified. The result has `objects` (the not-ready ones,
    failed first, with status, reason, message and projected state), `pods` (of these objects, those in trouble first),
    `events` (Warnings about either, newest first), and, where there is something to say, `leftOut` (counts of what the
    limits cut) and `notes` (what could not be read).
    """
    notes: list[str] = []
    unready = [*assessment.failed, *assessment.pending]
    named = unready[:OBJECTS_MAX]
    live = [(one, objects.get(one.ref)) for one in named]
    pods = await owned_pods(cluster, [obj for _, obj in live if obj is not None], notes=notes)
    about = {uid for obj in (*(o for _, o in live), *pods) if (uid := text(obj, "metadata", "uid"))}
    names = {one.ref for one in named}
    events = await warnings_about(cluster, uids=about, refs=names, notes=notes)
    parts: dict[str, list[Any]] = {
        "objects": [_object(one, obj) for one, obj in live],
        "pods": [projected(pod) for pod in pods[:PODS_MAX]],
        "events": events[:EVENTS_MAX],
    }
    left_out = {
        "objects": len(unready) - len(named),
        "pods": max(len(pods) - PODS_MAX, 0),
        "events": max(len(events) - EVENTS_MAX, 0),
    }
    kept: dict[str, list[Any]] = scrubbed(parts, scrub)
    return _bounded(kept, left_out=left_out, notes=[cut(scrub(note), 300) for note in notes[:5]])


def headline(found: Mapping[str, Any]) -> str:
    """The most telling line of the evidence: a container that ended badly or cannot start, else the newest Warning.

    Empty where there is neither.
    """
    containers = (
        (pod, status)
        for pod in maps(found, "pods")
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in maps(pod, "status", kind)
    )
    words = next((told for pod, status in containers if (told := _trouble(status, pod))), "")
    event = next(iter(maps(found, "events")), None)
    if words or event is None:
        return words
    return f"{text(event, 'regarding')}: {text(event, 'reason')}: {cut(text(event, 'note'), 200)}"


def _trouble(status: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    who = f"container {text(status, 'name')} of {ref_words(ref_of(pod))}"
    for moment in ("state", "lastState"):
        code = whole(status, moment, "terminated", "exitCode")
        if code:
            reason = text(status, moment, "terminated", "reason")
            return f"{who} exited with code {code}" + (f" ({reason})" if reason else "")
    waiting = text(status, "state", "waiting", "reason")
    if waiting in ("", "ContainerCreating", "PodInitializing"):
        return ""
    message = cut(text(status, "state", "waiting", "message"), 200)
    return f"{who} cannot start: {waiting}" + (f": {message}" if message else "")


def _object(one: Unready, obj: Object | None) -> dict[str, Any]:
    return {
        "object": ref_words(one.ref),
        "apiVersion": one.ref.api_version,
        "status": one.status,
        "reason": one.reason,
        "message": one.message,
    } | ({"live": projected(obj)} if obj is not None else {})


def _bounded(parts: dict[str, list[Any]], *, left_out: dict[str, int], notes: Sequence[str]) -> dict[str, Any]:
    """Items are dropped from the ends, events first, until the whole fits."""
    for key in ("events", "pods", "objects"):
        while parts[key] and len(msgspec.json.encode(parts)) > BYTES_MAX:
            parts[key].pop()
            left_out[key] += 1
    return {**parts, **_without_zero(left_out), **({"notes": list(notes)} if notes else {})}


def _without_zero(left_out: dict[str, int]) -> dict[str, Any]:
    counts = {key: count for key, count in left_out.items() if count}
    return {"leftOut": counts} if counts else {}
