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

    @property
    def ok(self) -> bool:
        """Whether an outcome is good; events without an outcome are."""
        return self.outcome in {"", "ok", "skipped"}


def entry_of_draft(draft: Draft, *, at_ms: int, ver: int) -> Entry:
    """What a draft will be once it is recorded."""
    return Entry(draft.event, at_ms, ver, draft.run, draft.stage, draft.outcome, draft.intent, draft.blobs)


def entry_of_record(record: Record) -> Entry:
    """A record as the fold sees it. Raises `ValueError` where the body was erased: such a stream cannot be folded."""
    header, event = record
    if event is None:
        raise ValueError(f"the body of position {header.seq} was erased: {header.stream} cannot be folded from there")
    return Entry(
        event, to_ms(header.at), header.ver, header.run, header.stage, header.outcome, header.intent, header.blobs
    )


class Effect(NamedTuple):
    """An intended effect without an answer: to be performed, or performed again, or looked for."""

    #: version of the intent in the stream
    intent: int
    operation: str
    stage: str
    event: Event


class Plan(NamedTuple):
    """What the world owes a StageSet: effects to perform, and when to wake it if nothing else does."""

    effects: tuple[Effect, ...] = ()
    #: milliseconds since 1970; 0: nothing to wait for
    wake_ms: int = 0
    why: str = ""
