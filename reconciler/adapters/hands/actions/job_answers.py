"""The answers of a job action: its sentences, and the evidence that goes with them.

Not decisions: what was found is given. Invariant: no text of others is in an answer unless secret values were taken
out of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from reconciler.adapters.hands.actions.job_evidence import kept_of
from reconciler.adapters.hands.actions.job_look import End, Found, end_of
from reconciler.adapters.hands.actions.job_work import Halted, Late, Work
from reconciler.adapters.operations.failures import MESSAGE_CHARS_MAX
from reconciler.compute.fields import cut
from reconciler.compute.order import ref_words, some
from reconciler.errors import OperationError
from reconciler.ports.cluster import Object
from reconciler.ports.hands import Answer


async def done(work: Work) -> Answer:
    """All are complete. Exit codes and logs of those that this try saw are kept: the Jobs are deleted soon."""
    if not work.ended:
        return work.acting.done(message="all was seen complete before", objects=work.items(), blobs=work.blobs())
    kept = await kept_of(work.cluster, list(work.ended.values()), scrub=await work.scrub(), well=True)
    named = some([f"{ref_words(ref)} completed" for ref in work.ended], items_max=3)
    answer = work.acting.done(message=named, objects=work.items(), blobs=work.blobs())
    return answer._replace(event=replace(answer.event, evidence=kept.evidence))


async def answered(work: Work, stopped: Halted | Late) -> Answer:
    """The action ended otherwise. What is not known comes before what failed: it must not be tried again."""
    if isinstance(stopped, Late):
        return await _late(work, stopped)
    lost = [one for one in stopped.found if one.state == "lost"]
    if lost:
        evidence = await _last_seen(work, lost)
        return work.acting.unknown(_first(lost), evidence=evidence, objects=work.items())
    foreign = [one for one in stopped.found if one.state == "foreign"]
    failed = [one for one in stopped.found if one.state != "foreign"]
    if failed:
        return await _failed(work, failed)
    error = OperationError(_first(foreign), reason="ForeignJob", retryable=False)
    return work.acting.failed(error, objects=work.items(), blobs=work.blobs())


async def _failed(work: Work, found: Sequence[Found]) -> Answer:
    scrub = await work.scrub()
    kept = await kept_of(work.cluster, _lives(found), scrub=scrub, well=False)
    first = found[0]
    end = (end_of(first.live) if first.live is not None else None) or End(False, "", "")
    message = kept.words or (scrub(end.message) if scrub is not None else "")
    parts = [f"{ref_words(first.ref)} failed", end.reason, message]
    more = f"; {len(found) - 1} more failed too" if len(found) > 1 else ""
    words = ": ".join(part for part in parts if part) + more + _aside(kept.unread)
    error = OperationError(cut(words, MESSAGE_CHARS_MAX), reason="JobFailed", retryable=True, evidence=kept.evidence)
    return work.acting.failed(error, objects=work.items(), blobs=work.blobs())


async def _late(work: Work, late: Late) -> Answer:
    kept = await kept_of(work.cluster, late.lives, scrub=await work.scrub(), well=False)
    words = late.message + _aside(kept.words) + _aside(kept.unread)
    error = OperationError(cut(words, MESSAGE_CHARS_MAX), reason=late.reason, retryable=True, evidence=kept.evidence)
    return work.acting.failed(error, objects=work.items(), blobs=work.blobs())


async def _last_seen(work: Work, lost: Sequence[Found]) -> dict[str, object]:
    """What stands in the place of a lost object, if anything does."""
    scrub = await work.scrub()
    lives = _lives(lost)
    if scrub is None or not lives:
        return {}
    return (await kept_of(work.cluster, lives, scrub=scrub, well=False)).evidence


def _lives(found: Sequence[Found]) -> list[Object]:
    return [one.live for one in found if one.live is not None]


def _first(found: Sequence[Found]) -> str:
    others = len(found) - 1
    return found[0].words + (f"; the same is true of {others} more" if others else "")


def _aside(words: str) -> str:
    return f"; {words}" if words else ""
