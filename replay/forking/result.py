"""What came of a fork. Values only."""

from __future__ import annotations

from typing import Literal

import msgspec

#: recorded: as the recording has it. computed: by the controller's own code on recorded inputs.
#: given: by whoever asked. simulated: by a cluster in memory. time: nothing but time had to pass.
Origin = Literal["recorded", "computed", "given", "simulated", "time"]
#: open: a question has no answer. waiting: and time alone would tell.
Outcome = Literal["succeeded", "failed", "superseded", "released", "open", "waiting"]


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question of the run to the world, and who answered."""

    #: position of the question, counted on from where the fork leaves the recording
    seq: int
    at: str
    stage: str = ""
    #: connect, fetch, …, or the words of an action's hook
    operation: str
    action: str = ""
    origin: Origin
    outcome: str = ""
    message: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the recording does not tell."""

    seq: int
    stage: str
    operation: str
    action: str = ""
    #: a sentence that ends in a question mark
    asks: str
    #: why it is not known
    why: str
    #: what was known last
    known: str = ""


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """A run with a change."""

    run: str
    #: what is different
    changes: tuple[str, ...]
    #: position of the last record that is as it was recorded; 0: none
    same_until: int
    answers: tuple[Answered, ...]
    outcome: Outcome
    #: how it ends, in one sentence
    message: str
    #: how it ended in fact
    recorded: str
    question: Question | None = None
    #: an answer was simulated
    simulated: bool = False
    notes: tuple[str, ...] = ()
