"""What meets controllers at random, where it hurts: beside the intents, effects and outcomes of actions."""

from __future__ import annotations

from random import Random
from typing import Any

from ledger import events as e
from ledger.log import Batch
from tests.simulation.ports import Fate, Line

_BESIDE = (e.ActionIntended, e.ActionObserved, e.ActionFinished, e.OperatorResolved, e.ActionRetryScheduled)
_EFFECTS = ("http", "create Job", "patch ConfigMap", "patch Service", "delete ConfigMap")


def beside_an_action(where: str, about: Any) -> bool:
    """Whether a boundary is one of an action."""
    if isinstance(about, Batch):
        return any(isinstance(draft.event, _BESIDE) for draft in about.drafts)
    return where.partition(" ")[2] in _EFFECTS


class Mishaps:
    """A trap: at each boundary of an action one of the fates, so likely, so often at most."""

    def __init__(
        self, rng: Random, *, chance: float, fates: tuple[Fate, ...], most: int, anywhere: float = 0.0
    ) -> None:
        self._rng, self._chance, self._fates, self._left = rng, chance, fates, most
        self._anywhere = anywhere

    def __call__(self, line: Line, where: str, about: Any) -> Fate:
        chance = self._chance if beside_an_action(where, about) else self._anywhere
        if not self._left or line.stopped_s or not chance or self._rng.random() >= chance:
            return ""
        self._left -= 1
        return self._rng.choice(self._fates)
