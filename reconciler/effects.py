"""Values that pass between the core and the hands: entries in, effects and wake-ups out. No behaviour."""

from __future__ import annotations

from typing import NamedTuple

from ledger.envelope import Draft, Record
from ledger.events import Event
from ledger.instant import to_ms


class Entry(NamedTuple):
    """An event with the part of its envelope that decisions may read."""

    event: Event
    #: the recorder's time, milliseconds since 1970
    at_ms: int
    #: version in its stream
    ver: int
    run: str = ""
    stage: str = ""
    outcome: str = ""
    #: version of the intent that it answers
    intent: int = 0
    blobs: tuple[str, ...] = ()
    #: idempotency key
    idem: str = ""
    attempt: int = 0

    @property
    def ok(self) -> bool:
        """Whether an outcome is good; events without an outcome are."""
        return self.outcome in {"", "ok", "skipped"}


def entry_of_draft(draft: Draft, *, at_ms: int, ver: int) -> Entry:
    """What a draft will be once it is recorded."""
    return Entry(
        event=draft.event,
        at_ms=at_ms,
        ver=ver,
        run=draft.run,
        stage=draft.stage,
        outcome=draft.outcome,
        intent=draft.intent,
        blobs=draft.blobs,
        idem=draft.idem,
        attempt=draft.attempt,
    )


def entry_of_record(record: Record) -> Entry:
    """A record as the fold sees it. Raises `ValueError` where the body was erased: such a stream cannot be folded."""
    header, event = record
    if event is None:
        raise ValueError(f"the body of position {header.seq} was erased: {header.stream} cannot be folded from there")
    return Entry(
        event=event,
        at_ms=to_ms(header.at),
        ver=header.ver,
        run=header.run,
        stage=header.stage,
        outcome=header.outcome,
        intent=header.intent,
        blobs=header.blobs,
        idem=header.idem,
        attempt=header.attempt,
    )


class Effect(NamedTuple):
    """An intended effect without an answer: to be performed, or performed again, or looked for."""

    #: version of the intent in the stream
    intent: int
    operation: str
    stage: str
    event: Event
    #: idempotency key of an action
    key: str = ""
    #: whether its intent was recorded just now by the very one who performs it: whatever else is pending may have
    #: been performed already, and is looked for
    first: bool = False


class Plan(NamedTuple):
    """What the world owes a StageSet: effects to perform, and when to wake it if nothing else does."""

    effects: tuple[Effect, ...] = ()
    #: milliseconds since 1970; 0: nothing to wait for
    wake_ms: int = 0
    why: str = ""
