"""What events are: facts, decisions, answers; and the words that their fields may have.

Not the vocabulary (`events`). As permanent as that.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

Outcome = Literal["ok", "failed", "refused", "skipped", "indeterminate"]
Operation = Literal[
    "connect", "fetch", "build", "apply", "replace", "prune", "verify", "action", "run", "stage", "timer", "ledger"
]
Trigger = Literal["snapshot", "spec", "retry", "request", "drift", "interval", "restored", "deletion"]
Hook = Literal["pre", "post", "onFailure"]


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"
):
    """Base of all events."""

    #: the operation that the header of such an event names
    OP: ClassVar[Operation]


class Fact(Event, frozen=True, kw_only=True):
    """Came from outside."""


class Decision(Event, frozen=True, kw_only=True):
    """Was made by us."""


class Finished(Fact, frozen=True, kw_only=True):
    """Base of the answers to an intent. The header has `outcome` and `intent`."""

    #: CamelCase word for machines; empty when it went well
    reason: str = ""
    #: sentence for people
    message: str = ""
    #: false where the same inputs must fail again
    retryable: bool = False
    #: what was seen when it failed, kept because the world forgets
    evidence: dict[str, Any] = {}
