"""Lines for people about guards, recomputed answers and forks."""

from __future__ import annotations

import click

from ledger.render import outcome, safe
from replay.forking.result import Answered, Forked
from replay.recompute.result import Again, Recomputed

_WORDS = {"same": "SAME", "partly": "SAME, as far as it was recorded", "differs": "DIFFERS", "unknown": "NOT COMPARED"}


def guarded(guards: dict[str, bool]) -> list[str]:
    """Which guards were on."""
    off = [name for name, on in guards.items() if not on]
    lines = ["guards on: " + ", ".join(name for name, on in guards.items() if on)]
    return lines + ([f"guards off, not allowed here: {', '.join(off)}"] if off else [])


def recomputed(found: Recomputed) -> list[str]:
    """One line for each answer, its recorded words where it is a failure, and what was not computed."""
    lines = [f"computed again with {found.tool or 'no kustomize'}:"]
    for one in found.answers:
        lines += _again(one)
    lines += [f"  {found.others} answers of the API server have nothing that was computed"] if found.others else []
    return lines


def _again(one: Again) -> list[str]:
    what = f"{one.stage} {one.operation} {one.action}".rstrip()
    lines = [f"  position {one.seq}  {safe(what)}  {one.outcome}  {_WORDS[one.result]}"]
    lines += [f"    {safe(one.message)}"] if one.message else []
    return lines + ([f"    {safe(one.why)}"] if one.why else [])


def forked(found: Forked) -> list[str]:
    """What was changed, how it ends, who answered what, and what is open."""
    word = found.outcome.upper() + (" (simulated)" if found.simulated else "")
    colour = {"succeeded": "green", "failed": "red"}.get(found.outcome, "yellow")
    lines = [f"{click.style(word, fg=colour)}  {safe(found.message)}"]
    lines += [f"  change    {safe(one)}" for one in found.changes] or ["  change    none"]
    lines.append(f"  recorded  {safe(found.recorded)}")
    where = f"up to position {found.same_until}" if found.same_until else "nowhere"
    lines.append(f"  the same as recorded {where}")
    lines += [_answered(one) for one in found.answers]
    if found.question is not None:
        question = found.question
        lines.append(f"open at position {question.seq}: {safe(question.asks)}")
        lines += [f"  known last: {safe(question.known)}"] if question.known else []
        lines.append(f"  {safe(question.why)}: answer it with --answer {question.seq}=FILE, or with --simulate")
    return lines + [f"note: {safe(note)}" for note in found.notes]


def _answered(one: Answered) -> str:
    what = f"{one.stage} {one.operation} {one.action}".rstrip()
    mark = click.style("SIMULATED", fg="yellow") if one.origin == "simulated" else one.origin
    told = f"  {safe(one.message)}" if one.message else ""
    return f"  {one.seq:>6}  {one.at[11:23]}  {safe(what)}  {outcome(one.outcome)}  [{mark}]{told}"
