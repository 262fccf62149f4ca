"""Probes: the same bundle in fresh interpreters whose hash seed, time zone and locale differ. All must say the same."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from replay.divergence import Difference, Divergence, shown
from replay.isolation.child import Answer
from replay.isolation.parent import Circumstances, ask, probes
from replay.replayer import Verdict


def probed(path: Path, *, until: int, count: int) -> Answer:
    """The answer of a child; after `count` probes, a divergence where one of them decided otherwise.

    Raises what `ask` raises.
    """
    answer = ask(path, until=until)
    first = answer.verdict
    if first is None:
        return answer
    for circumstances in probes(count):
        other = ask(path, until=until, environment=circumstances.environment)
        if other.verdict is None:
            return other
        if other.verdict != first:
            return replace(answer, verdict=_differing(first, other.verdict, circumstances))
    return answer


def _differing(first: Verdict, other: Verdict, circumstances: Circumstances) -> Verdict:
    """Neither of the two is to be believed."""
    found = other.divergence or first.divergence
    under = ", ".join(f"{name}={value}" for name, value in circumstances.environment.items())
    if found is None:
        found = _only_state(first, other)
    message = f"{found.message}; the same code on the same input decides otherwise with {under}"
    return replace(other, verdict="DIVERGED", divergence=replace(found, kind="NONDETERMINISM", message=message))


def _only_state(first: Verdict, other: Verdict) -> Divergence:
    return Divergence(
        kind="NONDETERMINISM",
        seq=other.last_seq,
        version=0,
        type="state",
        fact_seq=other.last_seq,
        fact_type="",
        message=f"position {other.last_seq}: the folded state differs",
        first=Difference(field="state", recorded=shown(first.state), decided=shown(other.state)),
    )
