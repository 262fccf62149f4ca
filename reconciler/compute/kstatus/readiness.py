"""The verdict on one object. Not the rules that lead to it."""

from __future__ import annotations

from typing import Literal

import msgspec

from reconciler.compute.fields import cut

#: The words of kstatus. `NotFound` stands for an object that is not there.
Status = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound"]

#: Messages come partly from other people's controllers: one object may not fill a condition.
MESSAGE_CHARS_MAX = 1024


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What kstatus says of one object at one moment."""

    status: Status
    #: One CamelCase word for machines.
    reason: str
    #: A phrase for people that follows the object's name.
    message: str
    #: When to look again although nothing changed, in milliseconds from now; None: only a change matters.
    recheck_ms: int | None = None


def current(message: str) -> Readiness:
    return Readiness(status="Current", reason="Current", message=cut(message, MESSAGE_CHARS_MAX))


def in_progress(reason: str, message: str, *, recheck_ms: int | None = None) -> Readiness:
    return Readiness(status="InProgress", reason=reason, message=cut(message, MESSAGE_CHARS_MAX), recheck_ms=recheck_ms)


def failed(reason: str, message: str) -> Readiness:
    return Readiness(status="Failed", reason=reason, message=cut(message, MESSAGE_CHARS_MAX))
