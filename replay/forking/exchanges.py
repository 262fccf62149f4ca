"""The recording as questions and answers: what was asked, what was answered, after how long.

Not the fork. Invariant: a recorded answer is given to the same question only, and not where it depends on a patience
that is another one now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.envelope import Record
from ledger.events import Finished
from ledger.instant import to_ms
from reconciler.compute import inputs
from reconciler.compute.inputs import Inputs
from reconciler.state import Pending, State
from replay.forking.questions import pending_of, question
from replay.performing.turns import Turn

#: What is asked of the world without changing it, so that its answer may be given again.
_READING = frozenset({"connect", "fetch", "build"})


class Exchange(NamedTuple):
    """One question of the recorded run, with all that was recorded until its answer."""

    intent: int
    question: str
    operation: str
    stage: str
    began_ms: int
    #: how long it would have been waited for; 0: no bound
    allowed_ms: int
    #: what was observed on the way, and the answer
    facts: tuple[Record, ...]

    @property
    def answer(self) -> Record:
        return self.facts[-1]

    @property
    def took_ms(self) -> int:
        return to_ms(self.answer.header.at) - self.began_ms

    @property
    def timed_out(self) -> bool:
        """Whether time ran out, so that more of it might tell another story."""
        reason = str(getattr(self.answer.event, "reason", ""))
        return bool(self.allowed_ms) and (reason.endswith("Timeout") or reason == "Terminating")


class Late(NamedTuple):
    """The recorded answer came when time was out, and there is more, or less, of it now."""

    exchange: Exchange
    more: bool


def allowed_ms(pending: Pending) -> int:
    """How long an answer is waited for; 0: without bound."""
    deadline: Any = getattr(pending.event, "deadline", "")
    return to_ms(deadline) - pending.since_ms if deadline else 0


class Exchanges:
    """All of a run's questions and answers."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.all: list[Exchange] = []
        self._given: set[int] = set()
        facts: list[Record] = []
        for turn in turns:
            pending = turn.before.pending
            if pending is None or turn.fact.header.intent != pending.intent:
                continue
            facts.append(turn.fact)
            if isinstance(turn.fact.event, Finished):
                self.all.append(_exchange(turn.before, pending, facts))
                facts = []

    def at(self, intent: int) -> Exchange | None:
        """The exchange of a recorded intent."""
        return next((one for one in self.all if one.intent == intent), None)

    def find(self, state: State) -> Exchange | Late | None:
        """The recorded exchange for what is pending."""
        pending, asked = pending_of(state), question(state)
        mine = [one for one in self.all if one.question == asked]
        fresh = [one for one in mine if one.intent not in self._given or one.operation in _READING]
        if not fresh:
            return None
        found = next((one for one in fresh if one.intent == pending.intent), fresh[0])
        allowed = allowed_ms(pending)
        if found.timed_out and allowed > found.allowed_ms:
            return Late(found, more=True)
        if allowed and allowed < found.allowed_ms and not found.timed_out and found.took_ms > allowed:
            return Late(found, more=False)
        return found

    def given(self, exchange: Exchange) -> None:
        """The world is not asked for the same change twice."""
        self._given.add(exchange.intent)


def _exchange(state: State, pending: Pending, facts: Sequence[Record]) -> Exchange:
    return Exchange(
        intent=pending.intent,
        question=question(state),
        operation=pending.operation,
        stage=pending.stage,
        began_ms=pending.since_ms,
        allowed_ms=allowed_ms(pending),
        facts=tuple(facts),
    )


def told(exchanges: Sequence[Exchange], blobs: dict[str, bytes], *, last: Exchange | None) -> list[Inputs]:
    """What the world told in a run; what it told in `last` counts most."""
    ordered = [*(one for one in exchanges if one is not last), *([last] if last is not None else [])]
    names = [name for one in ordered for name in one.answer.header.blobs]
    found = (inputs.decode(blobs[name]) for name in names if name in blobs)
    return [one for one in found if one is not None]
