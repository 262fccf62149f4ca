"""What became of an object that a job action may have created: judged from the record and the live object.

Not what to do about it. Invariant: an object is taken for ours by its recorded UID or by all its marks, never by its
name; what was seen and is gone without a recorded end is lost, not absent.
"""

from __future__ import annotations

import asyncio
from typing import Literal, NamedTuple

from ledger.events import Item
from reconciler import errors
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_names import ANNOTATION, marks_of
from reconciler.adapters.operations.existing import Live, Owner, live_of
from reconciler.adapters.operations.failures import Scrub, failure_of, granted, unscrubbed
from reconciler.api import names
from reconciler.compute.fields import condition, is_true, maps, text
from reconciler.compute.kstatus import status_of
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Cluster, Object, Ref

#: `again`: it failed, that is recorded, and it may be repeated. `lost`: whether it ran to its end is not known.
State = Literal["absent", "running", "complete", "failed", "again", "lost", "foreign"]

READ_TRIES_MAX = 5
_READ_PAUSE_S, _READ_PAUSE_S_MAX = 0.5, 8.0


class End(NamedTuple):
    """How an object ended: by its condition `Complete` or `Failed`."""

    well: bool
    reason: str
    message: str


class Found(NamedTuple):
    """One object as it was found."""

    ref: Ref
    state: State
    uid: str = ""
    live: Object | None = None
    #: of a lost or foreign one: the sentence for people
    words: str = ""


def end_of(obj: Object) -> End | None:
    """The end that an object reports; None while it reports none (KEP-3998: both conditions are final)."""
    for kind in ("Complete", "Failed"):
        found = condition(obj, kind)
        if is_true(found):
            return End(kind == "Complete", text(found, "reason"), text(found, "message"))
    return None


def progress_words(obj: Object) -> str:
    """Why an object that has not ended has not: what a time-out says of it."""
    if text(obj, "kind") == "Job":
        return status_of(obj, now_ms=0).message
    return "it reports neither the condition Complete nor Failed"


def judged(acting: Acting, ref: Ref, *, recorded: Item | None, live: Object | None) -> Found:
    """What the record and the live object together say."""
    known, failed = (recorded.uid, recorded.action == "failed") if recorded is not None else ("", False)
    if live is None:
        if known and not failed:
            return Found(ref, "lost", known, None, gone_words(ref, known))
        return Found(ref, "absent")
    uid = text(live, "metadata", "uid")
    ours = _marked(acting, live_of(live))
    if known and uid != known and (ours or not failed):
        return Found(ref, "lost", known, live, replaced_words(ref, known, uid=uid))
    if uid != known and not ours:
        return Found(ref, "foreign", uid, live, _foreign_words(acting, ref, live=live))
    end = end_of(live)
    if end is None:
        return Found(ref, "running", uid, live)
    if end.well:
        return Found(ref, "complete", uid, live)
    return Found(ref, "again" if failed else "failed", uid, live)


def gone_words(ref: Ref, uid: str) -> str:
    """The sentence about an object that was there and is not any more."""
    return f"{ref_words(ref)} was seen running (UID {uid}) and is gone: whether it ended well is not known"


def replaced_words(ref: Ref, known: str, *, uid: str) -> str:
    """The sentence about an object in whose place there is another one."""
    return (
        f"{ref_words(ref)} was seen with UID {known} and has UID {uid} now: somebody replaced it, and whether the one "
        "before ended well is not known"
    )


async def read(cluster: Cluster, ref: Ref) -> Object | None:
    """The live object, or None where there is none; asked a few times while the server has no answer.

    Raises `OperationError` where it cannot be known.
    """
    pause_s = _READ_PAUSE_S
    for attempt in range(1, READ_TRIES_MAX + 1):
        try:
            return {"apiVersion": ref.api_version, "kind": ref.kind, **await cluster.get(ref)}
        except (errors.NotFound, errors.NoSuchKind):
            return None
        except errors.ClusterError as error:
            passing = isinstance(error, (errors.Unavailable, errors.TooManyRequests))
            if not passing or attempt == READ_TRIES_MAX:
                raise refusal(error, ref) from error
            await asyncio.sleep(max(pause_s, min(error.retry_after_s, _READ_PAUSE_S_MAX)))
            pause_s = min(pause_s * 2, _READ_PAUSE_S_MAX)
    raise AssertionError("the last attempt returns or raises")


def refusal(error: errors.ClusterError, ref: Ref, *, scrub: Scrub = unscrubbed) -> errors.OperationError:
    """What a server answered to a request for one object, as the failure of the action."""
    failure = failure_of(error, ref=ref, scrub=scrub)
    evidence = ({"status": failure.status} if failure.status else {}) | granted(failure)
    return errors.OperationError(failure.words(), reason=failure.reason, retryable=failure.retryable, evidence=evidence)


def _marked(acting: Acting, live: Live) -> bool:
    labels, annotations = marks_of(acting)
    return labels.items() <= live.labels.items() and annotations.items() <= live.annotations.items()


def _foreign_words(acting: Acting, ref: Ref, *, live: Object) -> str:
    whose = _whose(acting, live)
    return (
        f"{ref_words(ref)} exists already and was not created by this action: {whose}; it is left alone: delete it or "
        "let it have another name, then try again"
    )


def _whose(acting: Acting, obj: Object) -> str:
    live = live_of(obj)
    owner = Owner(namespace=acting.target.namespace, name=acting.target.name)
    other, stage = owner.other(live), live.labels.get(names.LABEL_STAGE, "")
    if other:
        return f"its labels name StageSet {other}"
    if owner.owns(live) and stage != acting.stage:
        return f"its labels name stage {stage or '(none)'} of this StageSet"
    if owner.owns(live):
        key = live.annotations.get(ANNOTATION, "")
        return f"its annotation {ANNOTATION} {f'has the key {key[:8]}… of another one' if key else 'is missing'}"
    controller = next(iter(maps(obj, "metadata", "ownerReferences")), None)
    if controller is not None:
        return f"it belongs to {text(controller, 'kind')} {text(controller, 'name')}"
    manager = live.labels.get("app.kubernetes.io/managed-by", "")
    return f"it is managed by {manager}" if manager else "it has no owner labels"
