"""The start of a Job: it is created suspended, and started by its UID once that is on record.

So a creation that arrives late, from a process that another one has replaced meanwhile, makes a Job that never runs:
its UID cannot be recorded any more. Not for custom kinds, nor for Jobs that somebody else suspends and starts.
"""

from __future__ import annotations

from typing import Final

from reconciler import errors
from reconciler.adapters.hands.actions.job_look import read, refusal
from reconciler.adapters.operations.failures import Scrub, unscrubbed
from reconciler.compute.fields import mapping, text
from reconciler.errors import ClusterError
from reconciler.ports.cluster import Cluster, Object, Ref

#: On a Job that has to be started by the action that created it; gone once it is.
WAITS: Final = "stages.metio.wtf/awaits-record"
#: A Job with it is suspended and started by Kueue, by its quotas.
QUEUE: Final = "kueue.x-k8s.io/queue-name"
#: Times that one Job is started, or withdrawn, while answers are lost or it changes in between.
TRIES_MAX = 3


def waiting(wire: Object) -> Object:
    """The object as it is created: a Job that nobody else starts is suspended, and says by a label for what."""
    spec, labels = mapping(wire, "spec"), mapping(wire, "metadata", "labels")
    is_job = (wire.get("apiVersion"), wire.get("kind")) == ("batch/v1", "Job")
    if not is_job or spec.get("suspend") is True or QUEUE in labels:
        return wire
    metadata = {**wire["metadata"], "labels": {**labels, WAITS: "true"}}
    return {**wire, "metadata": metadata, "spec": {**spec, "suspend": True}}


def is_waiting(live: Object) -> bool:
    """Whether it was never started. Somebody who suspends a Job that runs does not give it the label."""
    return WAITS in mapping(live, "metadata", "labels")


async def started(cluster: Cluster, ref: Ref, live: Object, *, scrub: Scrub = unscrubbed) -> Object | None:
    """Start a Job whose UID is on record; what is there then, or None where it is gone.

    Raises `OperationError` where it cannot be started.
    """
    uid = text(live, "metadata", "uid")
    for attempt in range(1, TRIES_MAX + 1):
        try:
            return await cluster.patch(ref, _start_of(uid), type="json")
        except errors.NotFound:
            return None
        except ClusterError as error:
            # It was started already, or another one has its name, or an answer was lost: looking tells.
            found = await read(cluster, ref)
            if found is None or text(found, "metadata", "uid") != uid or not is_waiting(found):
                return found
            if attempt == TRIES_MAX or not _passes(error):
                raise refusal(error, ref, scrub=scrub) from error
    raise AssertionError("the last attempt returns or raises")


async def withdrawn(cluster: Cluster, ref: Ref, live: Object) -> Object | None:
    """Delete a Job that was never started, unless somebody starts it first; None, or what is there then.

    Raises `OperationError` where it can be neither deleted nor seen to run.
    """
    found: Object | None = live
    for attempt in range(1, TRIES_MAX + 1):
        if found is None or not is_waiting(found):
            return found
        meta = found["metadata"]
        try:
            # Starting it changes its version.
            await cluster.delete(ref, uid=meta["uid"], resource_version=meta["resourceVersion"], cascade="Background")
            return None
        except errors.NotFound:
            return None
        except ClusterError as error:
            if attempt == TRIES_MAX or not _passes(error):
                raise refusal(error, ref) from error
            found = await read(cluster, ref)
    raise AssertionError("the last attempt returns or raises")


def _start_of(uid: str) -> list[Object]:
    """The patch, refused where it is another Job or was started before (RFC 6902 §4.6)."""
    label = f"/metadata/labels/{WAITS.replace('/', '~1')}"
    return [
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": label, "value": "true"},
        {"op": "remove", "path": label},
        {"op": "replace", "path": "/spec/suspend", "value": False},
    ]


def _passes(error: ClusterError) -> bool:
    return isinstance(error, errors.Conflict | errors.Unavailable | errors.TooManyRequests)
