"""Which answer decides what a recomputation is called."""

from __future__ import annotations

from replay.recompute.result import Again, Recomputed, Result


def _again(seq: int, result: Result, *, missing: bool = False) -> Again:
    return Again(seq=seq, stage="db", operation="build", outcome="ok", result=result, missing=missing)


def test_the_first_that_differs() -> None:
    found = Recomputed(answers=(_again(1, "same"), _again(2, "partly"), _again(3, "differs"), _again(4, "differs")))
    assert found.differs is found.answers[2]
    assert Recomputed(answers=found.answers[:2]).differs is None


def test_only_what_is_not_there_is_missing() -> None:
    """What can never be compared, such as an answer of an API server, does not make a bundle incomplete."""
    found = Recomputed(answers=(_again(1, "unknown"), _again(2, "unknown", missing=True)))
    assert found.missing is found.answers[1]
    assert Recomputed(answers=found.answers[:1]).missing is None
