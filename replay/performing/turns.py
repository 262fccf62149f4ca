"""The facts of a recording, each with the states before and after it, and the orders that answers were given to.

Not a proof and not a comparison: that was the replay before. Records in, values out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.envelope import Draft, Record, Stored
from ledger.events import Event, Fact, Finished
from ledger.upcast import decode
from reconciler.effects import Effect, entry_of_record
from reconciler.ports.hands import Order, Target
from reconciler.state import State
from reconciler.step import step


class Turn(NamedTuple):
    """One fact, and what followed."""

    before: State
    fact: Record
    decisions: tuple[Draft, ...]
    after: State

    @property
    def answers(self) -> bool:
        """Whether it is the answer to what was pending."""
        return isinstance(self.fact.event, Finished) and self.before.pending is not None


def turns(records: Sequence[Stored]) -> Iterator[Turn]:
    """All facts of a stream that was replayed."""
    state: State | None = None
    for stored in records:
        record = decode(stored)
        if not isinstance(record.event, Fact):
            continue
        before = state or State(stream=record.header.stream)
        result = step(before, entry_of_record(record))
        state = result.state
        yield Turn(before, record, result.decisions, result.state)


def target_of(stream: str) -> Target:
    """The StageSet of a stream."""
    _, namespace, name, uid = stream.split("/", 3)
    return Target(namespace, name, uid)


def order_of(state: State, *, first: bool) -> Order:
    """What is pending, as the loop orders it. What it reports on the way is nobody's business."""
    pending = state.pending
    assert pending is not None, "something is pending"
    effect = Effect(pending.intent, pending.operation, pending.stage, pending.event, pending.key, first)

    async def report(event: Event) -> None:
        """Recorded it was then."""

    return Order(effect, target_of(state.stream), state, report)
