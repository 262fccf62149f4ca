"""Warning Events about some objects, which the cluster itself forgets in an hour.

Not our own events. Source of the fields: `events.k8s.io/v1`, and the older `v1` form of the same objects.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler import errors
from reconciler.compute.fields import cut, dig, millis, text, whole
from reconciler.ports.cluster import Cluster, Object, Ref, Scope

NOTE_CHARS_MAX = 512
#: The namespace of Events about cluster-scoped objects.
DEFAULT_NAMESPACE = "default"
_FORMS = ("v1", "events.k8s.io/v1")


async def warnings_about(
    cluster: Cluster, *, uids: Collection[str], refs: Collection[Ref], notes: list[str]
) -> list[dict[str, Any]]:
    """Warnings regarding an object with one of the UIDs, or one of `refs` by name; projected, newest first.

    One list for each namespace. What could not be read is told in `notes`.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    for namespace in sorted({ref.namespace or DEFAULT_NAMESPACE for ref in refs}):
        try:
            events = await _list(cluster, namespace)
        except errors.ClusterError as error:
            notes.append(f"the Events in namespace {namespace} could not be read: {error.message}")
            continue
        found += [
            (_last_ms(event), _projected(event))
            for event in events
            if text(event, "type") == "Warning" and _regards(event, uids, refs=refs)
        ]
    return [event for _, event in sorted(found, key=lambda pair: pair[0], reverse=True)]


async def _list(cluster: Cluster, namespace: str) -> list[Object]:
    for api_version in _FORMS:
        try:
            scope = Scope(api_version, "Event", namespace, field_selector="type=Warning")
            return (await cluster.list(scope)).items
        except errors.NoSuchKind:
            continue
    return []


def _regards(event: Object, uids: Collection[str], *, refs: Collection[Ref]) -> bool:
    regarding = _regarding(event)
    if text(regarding, "uid"):
        return text(regarding, "uid") in uids
    key = text(regarding, "kind"), text(regarding, "namespace"), text(regarding, "name")
    return any(key == (ref.kind, ref.namespace, ref.name) for ref in refs)


def _regarding(event: Object) -> Any:
    return dig(event, "regarding") or dig(event, "involvedObject")


def _projected(event: Object) -> dict[str, Any]:
    regarding = _regarding(event)
    where = f"{text(regarding, 'namespace')}/" if text(regarding, "namespace") else ""
    return {
        "regarding": f"{text(regarding, 'kind')} {where}{text(regarding, 'name')}",
        "reason": text(event, "reason"),
        "note": cut(text(event, "note") or text(event, "message"), NOTE_CHARS_MAX),
        "count": _count(event),
        "last": _last(event),
    }


def _count(event: Object) -> int:
    for path in (("series", "count"), ("deprecatedCount",), ("count",)):
        number = whole(event, *path)
        if number:
            return number
    return 1


def _last(event: Object) -> str:
    paths = (("series", "lastObservedTime"), ("lastTimestamp",), ("deprecatedLastTimestamp",), ("eventTime",))
    stamps = (text(event, *path) for path in (*paths, ("metadata", "creationTimestamp")))
    return next((stamp for stamp in stamps if stamp), "")


def _last_ms(event: Object) -> int:
    return millis(_last(event)) or 0
