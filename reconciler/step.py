"""One step: a fact in, the decisions it causes out. Pure; the live loop and the replay call the same function."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from ledger.envelope import Draft
from reconciler import digests, invariants
from reconciler.decide import decide
from reconciler.effects import Entry, entry_of_draft
from reconciler.evolve import evolve
from reconciler.state import State

#: A fact that causes more decisions than this is a loop of ours.
DECISIONS_MAX = 1_000


class Step(NamedTuple):
    """The state after a fact, and the decisions to record with it."""

    state: State
    decisions: tuple[Draft, ...]


def step(state: State, fact: Entry) -> Step:
    """Fold a fact and decide until the world must speak. Each decision carries the digest of the state after it."""
    now = _moved(state, fact)
    decisions: list[Draft] = []
    while (draft := decide(now)) is not None:
        assert len(decisions) < DECISIONS_MAX, f"more than {DECISIONS_MAX} decisions after one fact"
        now = _moved(now, entry_of_draft(draft, at_ms=now.now_ms, ver=now.version + 1))
        decisions.append(draft)
    if decisions:
        # One digest for the whole append: it covers everything before it, and large states are not hashed per event.
        decisions[-1] = replace(decisions[-1], state=digests.of(now))
    return Step(now, tuple(decisions))


def _moved(state: State, entry: Entry) -> State:
    after = evolve(state, entry)
    invariants.check_move(state, entry, after)
    return after
