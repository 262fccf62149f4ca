"""The Hands port: performing one intended effect. An outcome is a value; a raised exception is a bug of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from ledger.events import Event, Finished
from reconciler.effects import Effect
from reconciler.state import State


class Target(NamedTuple):
    """The StageSet that an effect is for."""

    namespace: str
    name: str
    uid: str


class Answer(NamedTuple):
    """The outcome of an effect, ready to be recorded."""

    event: Finished
    #: ok, failed, refused, skipped, indeterminate
    outcome: str
    blobs: tuple[str, ...] = ()


#: Records a fact about an effect under way; durable when it returns. Waits while the ledger cannot be written.
Report = Callable[[Event], Awaitable[None]]


class Order(NamedTuple):
    """An effect to be performed, for whom, and on which state."""

    effect: Effect
    target: Target
    state: State
    report: Report


class Hands(Protocol):
    """Whatever reaches the world."""

    async def perform(self, order: Order) -> Answer:
        """Perform, or look for what became of, one effect. Cancelled when the run no longer wants it."""

    def forget(self, target: Target) -> None:
        """The run at work ended: what was kept in memory for it may go."""
