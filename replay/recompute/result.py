"""What came of computing recorded answers again. Values only."""

from __future__ import annotations

from typing import Literal

import msgspec

from replay.divergence import Difference

#: partly: the same, as far as it is not made from values that were withheld. unknown: it could not be compared.
Result = Literal["same", "partly", "differs", "unknown"]


class Again(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer, computed again."""

    #: position of the answer
    seq: int
    stage: str
    #: connect, fetch, build, verify, or the words of an action's hook
    operation: str
    #: name of the action
    action: str = ""
    #: as it was recorded: ok, failed, …
    outcome: str
    result: Result
    #: the recorded message, computed again word for word; empty for good answers
    message: str = ""
    #: why it is not the same, or could not be compared
    why: str = ""
    #: something that is needed is not in the bundle, or was never recorded
    missing: bool = False
    first: Difference | None = None


class Recomputed(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run's answers that something was computed for."""

    answers: tuple[Again, ...]
    #: answers of an API server that nothing was computed for
    others: int = 0
    #: kustomize that built here; empty: none
    tool: str = ""

    @property
    def differs(self) -> Again | None:
        """The first answer that is not what was recorded."""
        return next((one for one in self.answers if one.result == "differs"), None)

    @property
    def missing(self) -> Again | None:
        """The first answer whose inputs are not there."""
        return next((one for one in self.answers if one.result == "unknown" and one.missing), None)
