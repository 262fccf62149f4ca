"""Whether a stage is verified: the readiness of all its objects, taken together.

Not a wait: objects and one moment in, one assessment out. Invariant: the result depends on the arguments alone, and
names what is missing in the order of the manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from reconciler.api.types.stage import ReadyExpression
from reconciler.compute.cel import evaluate
from reconciler.compute.fields import cut, group_of
from reconciler.compute.kstatus import Readiness, status_of
from reconciler.compute.order import ref_words, some
from reconciler.ports.cluster import Object, Ref

#: Objects named in one message; the rest is counted.
NAMED_MAX = 10
REASON_CHARS_MAX = 300


#: Verdicts by kstatus and the very objects they are about, kept by a caller that assesses again and again.
Memo = dict[Ref, tuple[Object | None, Readiness]]


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification looks at."""

    #: Objects that must be current by kstatus, in the order of the manifests, then the checks.
    wait: tuple[Ref, ...] = ()
    #: Objects that a CEL expression judges, each with its expression.
    judged: tuple[tuple[Ref, ReadyExpression], ...] = ()

    @property
    def refs(self) -> tuple[Ref, ...]:
        """All objects to read, each once."""
        return tuple(dict.fromkeys((*self.wait, *(ref for ref, _ in self.judged))))


class Unready(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is not ready."""

    ref: Ref
    #: A status of kstatus, or `Unread`.
    status: str
    reason: str
    message: str


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a verification at one moment: done, failed (then `failed` is not empty), or still going on."""

    done: bool
    ready: int
    total: int
    #: A sentence part for a condition's message, bounded.
    message: str
    #: Objects that will not become ready by themselves.
    failed: tuple[Unready, ...] = ()
    #: Objects that may still become ready.
    pending: tuple[Unready, ...] = ()
    #: Whether a pending object's `inProgress` expression is true.
    in_progress: bool = False
    #: When to assess again although nothing changed, in milliseconds from now; None: only a change matters.
    recheck_ms: int | None = None


def targets_of(
    applied: Sequence[Ref], *, checks: Iterable[Ref], exprs: Iterable[ReadyExpression], disable_wait: bool
) -> Targets:
    """What to verify: the applied objects (unless `disable_wait`), the checks, and what the expressions judge.

    An expression judges all applied objects of its group and kind; the version does not matter (CONTRACT §4.6).
    """
    waited = () if disable_wait else applied
    judged = (
        (ref, expr)
        for expr in exprs
        for ref in applied
        if ref.kind == expr.kind and group_of(ref.api_version) == group_of(expr.api_version)
    )
    return Targets(wait=tuple(dict.fromkeys((*waited, *checks))), judged=tuple(judged))


def assess(
    objects: Mapping[Ref, Object | None],
    *,
    targets: Targets,
    now_ms: int,
    unreadable: Mapping[Ref, str] | None = None,
    memo: Memo | None = None,
) -> Assessment:
    """The state of the verification at `now_ms` (milliseconds since the epoch).

    `objects` holds the live objects, None for one that does not exist; one that is left out has not been read yet, or
    could not be: `unreadable` then says why. What cannot be read is pending, never failed. With a `memo` only objects
    that changed since its last use are judged by kstatus again; the result is the same.
    """
    why = unreadable or {}
    waited = frozenset(targets.wait)
    verdicts = {
        ref: _presence(ref, objects, unreadable=why)
        or (_judged(ref, objects[ref], now_ms=now_ms, memo=memo) if ref in waited else _PRESENT)
        for ref in targets.refs
    }
    in_progress = False
    for ref, expr in targets.judged:
        live, verdict = objects.get(ref), verdicts[ref]
        if live is None:
            continue
        judged, going = _by_expression(expr, live)
        in_progress = in_progress or going
        verdicts[ref] = judged if judged.status == "Failed" or verdict.status == "Current" else verdict
    return _assessment(verdicts, in_progress=in_progress)


_PRESENT = Readiness(status="Current", reason="Current", message="exists")


def _judged(ref: Ref, live: Object | None, *, now_ms: int, memo: Memo | None) -> Readiness:
    kept = memo.get(ref) if memo is not None else None
    if kept is not None and kept[0] is live:
        return kept[1]
    verdict = status_of(live, now_ms=now_ms)
    if memo is not None and verdict.recheck_ms is None:
        memo[ref] = (live, verdict)
    return verdict


def _presence(ref: Ref, objects: Mapping[Ref, Object | None], *, unreadable: Mapping[Ref, str]) -> Readiness | None:
    """A verdict where there is no object to judge."""
    if objects.get(ref) is not None:
        return None
    if ref in objects:
        return status_of(None, now_ms=0)
    if ref in unreadable:
        return Readiness(status="InProgress", reason="Unreadable", message=f"cannot be read: {unreadable[ref]}")
    return Readiness(status="InProgress", reason="Unread", message="has not been read yet")


def _by_expression(expr: ReadyExpression, live: Any) -> tuple[Readiness, bool]:
    """The verdict of the expressions, and whether `inProgress` holds it back. An error is not true, but it is told."""
    if expr.failed and evaluate(expr.failed, live).true:
        message = f"its failed expression is true: {cut(expr.failed, 120)}"
        return Readiness(status="Failed", reason="FailedExpression", message=message), False
    going = bool(expr.in_progress) and evaluate(expr.in_progress, live).true
    if not expr.current:
        return _by_progress(expr, going=going)
    now = evaluate(expr.current, live)
    if now.true:
        return Readiness(status="Current", reason="Current", message="its current expression is true"), False
    why = f" ({now.error})" if now.error else ""
    message = f"its current expression is not true{why}: {cut(expr.current, 120)}"
    return Readiness(status="InProgress", reason="NotCurrent", message=message), going


def _by_progress(expr: ReadyExpression, *, going: bool) -> tuple[Readiness, bool]:
    """Without a `current` expression an object is current while `inProgress` is not true."""
    if not going:
        return _PRESENT, False
    message = f"its inProgress expression is true: {cut(expr.in_progress, 120)}"
    return Readiness(status="InProgress", reason="InProgressExpression", message=message), True


def _assessment(verdicts: Mapping[Ref, Readiness], *, in_progress: bool) -> Assessment:
    failed = tuple(_unready(ref, v) for ref, v in verdicts.items() if v.status == "Failed")
    pending = tuple(_unready(ref, v) for ref, v in verdicts.items() if v.status not in ("Failed", "Current"))
    ready = len(verdicts) - len(failed) - len(pending)
    rechecks = [v.recheck_ms for v in verdicts.values() if v.recheck_ms is not None]
    return Assessment(
        done=not failed and not pending,
        ready=ready,
        total=len(verdicts),
        message=_message(failed, pending, ready=ready),
        failed=failed,
        pending=pending,
        in_progress=in_progress,
        recheck_ms=min(rechecks, default=None),
    )


def _unready(ref: Ref, verdict: Readiness) -> Unready:
    return Unready(ref=ref, status=verdict.status, reason=verdict.reason, message=verdict.message)


def _message(failed: Sequence[Unready], pending: Sequence[Unready], *, ready: int) -> str:
    total = ready + len(failed) + len(pending)
    if not total:
        return "no object to wait for"
    parts = [f"{ready} of {total} objects ready"]
    if failed:
        parts.append("failed: " + some([_words(u) for u in failed], items_max=NAMED_MAX))
    if pending:
        left = max(NAMED_MAX - len(failed), 1)
        parts.append("not ready: " + some([_words(u) for u in pending], items_max=left))
    return "; ".join(parts)


def _words(unready: Unready) -> str:
    return f"{ref_words(unready.ref)}: {cut(unready.message, REASON_CHARS_MAX)}"
