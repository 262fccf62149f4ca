"""Kubernetes Events (events.k8s.io/v1) as objects.

Not when one is due. Invariant: the same cause gives the same name, so that telling it a second time is not a second
Event.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from ledger.instant import to_text
from reconciler.api import names, reasons
from reconciler.ports.cluster import Object, Ref


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an Event says."""

    type: Literal["Normal", "Warning"]
    #: a CamelCase word
    reason: str
    message: str
    #: tells this cause from others of the same reason
    cause: str


def event_object(told: Told, *, regarding: Ref, uid: str, at_ms: int) -> Object:
    """The Event. `uid` is that of the object it regards; its message is cut to the API's limit."""
    exact = hashlib.sha256(f"{told.reason}/{told.cause}".encode()).hexdigest()[:16]
    if told.cause.isdecimal():
        # By name they stand in the order in which they were told.
        exact = f"{told.cause}.{exact[:6]}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{regarding.name[:200]}.{uid[:8]}.{exact}",
            "namespace": regarding.namespace,
        },
        # MicroTime has six decimals.
        "eventTime": to_text(at_ms)[:-1] + "000Z",
        "reportingController": names.CONTROLLER,
        "reportingInstance": names.CONTROLLER,
        "action": told.reason,
        "reason": told.reason,
        "type": told.type,
        "note": reasons.note(told.reason, told.message),
        "regarding": {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "namespace": regarding.namespace,
            "name": regarding.name,
            "uid": uid,
        },
    }
