"""Between what is stored and what a version of the API shows: custom versions, and the two faces of Events.

Pure. Custom resources convert by their `apiVersion` alone (strategy `None`). Events are stored as `v1`, as in etcd.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.kinds import Kind

Object = dict[str, Any]

#: `events.k8s.io/v1` name → `v1` name.
_EVENT = {
    "regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent",
    "deprecatedSource": "source", "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
}  # fmt: skip
_CORE = {old: new for new, old in _EVENT.items()}


def incoming(kind: Kind, obj: Object) -> Object:
    """A request's object as it is stored."""
    if kind.group != "events.k8s.io":
        return obj
    return {_EVENT.get(name, name): value for name, value in obj.items()} | {"apiVersion": "v1"}


def outgoing(kind: Kind, obj: Object) -> Object:
    """A stored object as the kind's version shows it."""
    if kind.group == "events.k8s.io":
        obj = {_CORE.get(name, name): value for name, value in obj.items()}
    if obj.get("apiVersion") != kind.api_version:
        obj = {**obj, "apiVersion": kind.api_version}
    return obj
