"""The answers of a job action: its sentences, and the evidence that goes with them.

Not decisions: what was found is given. Invariant: no text of others is in an answer unless secret values were taken
out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from reconciler.adapters.hands.actions.job_evidence import Kept, kept_of
from reconciler.adapters.hands.actions.job_look import End, Found, end_of, progress_words
from reconciler.adapters.hands.actions.job_work import Halted, Late, Work
from reconciler.adapters.operations.failures import MESSAGE_CHARS_MAX
from reconciler.compute.fields import cut
from reconciler.compute.order import ref_words, some
from reconciler.errors import OperationError
from reconciler.ports.cluster import Object, Ref
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
    kept = await kept_of(work.cluster, _lives(found), scrub=await work.scrub(), well=False)
    live = found[0].live
    end = end_of(live) if live is not None else None
    error = failure([one.ref for one in found], kept, reason=end.reason if end is not None else "")
    return work.acting.failed(error, objects=work.items(), blobs=work.blobs())


def failure(refs: Sequence[Ref], kept: Kept, *, reason: str = "") -> OperationError:
    """Why Jobs failed, from what is kept of them; the first is named. `reason` is its own where nothing is kept."""
    objects: list[Object] = kept.evidence.get("objects", [])
    end = (end_of(objects[0]) if objects else None) or End(False, reason, "")
    parts = [f"{ref_words(refs[0])} failed", end.reason, kept.words or end.message]
    more = f"; {len(refs) - 1} more failed too" if len(refs) > 1 else ""
    words = ": ".join(part for part in parts if part) + more + _aside(kept.unread)
    return OperationError(cut(words, MESSAGE_CHARS_MAX), reason="JobFailed", retryable=True, evidence=kept.evidence)


async def _late(work: Work, late: Late) -> Answer:
    kept = await kept_of(work.cluster, late.lives, scrub=await work.scrub(), well=False)
    error = lateness(late.message, kept, reason=late.reason)
    return work.acting.failed(error, objects=work.items(), blobs=work.blobs())


def lateness(words: str, kept: Kept, *, reason: str) -> OperationError:
    """Why Jobs did not end in time: `words`, and what is kept of them."""
    words += _aside(kept.words) + _aside(kept.unread)
    return OperationError(cut(words, MESSAGE_CHARS_MAX), reason=reason, retryable=True, evidence=kept.evidence)


def still_running(lives: Mapping[Ref, Object]) -> str:
    """The sentence about Jobs that have not ended."""
    named = [f"{ref_words(ref)} has not ended in time ({progress_words(live)})" for ref, live in lives.items()]
    return f"{some(named, items_max=3)}; it is left running, and a later try goes on watching it"


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
