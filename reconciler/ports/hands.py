"""The Hands port: performing one intended effect. An outcome is a value; a raised exception is a bug of ours."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ledger.events import Finished
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


class Hands(Protocol):
    """Whatever reaches the world."""

    async def perform(self, effect: Effect, *, target: Target, state: State) -> Answer:
        """Perform, or look for what became of, one effect. Cancelled when the run no longer wants it."""

    def forget(self, target: Target) -> None:
        """The run at work ended: what was kept in memory for it may go."""
