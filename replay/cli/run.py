"""`stagesetctl replay run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.params import FORM
from ledger.render import outcome, safe
from replay.cli.telling import guarded, recomputed
from replay.cli.words import EXIT_CODES, FILE, end, explained
from replay.errors import DIVERGED, INCOMPLETE
from replay.isolation.child import Answer
from replay.isolation.probing import probed
from replay.replayer import Verdict


@click.command(epilog=EXIT_CODES)
@FORM
@click.option(
    "--until", type=click.IntRange(min=1), metavar="EVENT", help="Stop after the append that has this position."
)
@click.option(
    "--probe",
    type=click.IntRange(min=0, max=100),
    default=0,
    metavar="N",
    help="Repeat in N fresh interpreters with other hash seeds, time zones and locales.",
)
@click.option(
    "--recompute",
    is_flag=True,
    help="Compute again what operations computed: digests, builds, substitution, readiness, guards.",
)
@FILE
@click.pass_context
def run(ctx: click.Context, /, file: Path, form: str, until: int | None, **how: Any) -> None:
    """Decide again on every recorded fact, and compare.

    Strict: order, requests, results and state digests, and nothing left over on either side. Runs in a process of its
    own, without environment, network, programs or files; says which guards were on. With --recompute it runs kustomize,
    in a folder that is removed; what was withheld, or never recorded, is told and not compared.

    \b
    Examples:
      stagesetctl replay run shop-checkout-1a2b3c4d-33.stagereplay
      stagesetctl replay run --probe 4 failed.stagereplay
      stagesetctl replay run --recompute failed.stagereplay
      stagesetctl replay run -o json failed.stagereplay | jq .divergence
    """
    probe: int = how["probe"]
    with explained(file):
        answer = _answer(file, until=until or 0, probe=probe, recompute=how["recompute"])
    if answer.problem is not None:
        end(answer.problem.message, code=answer.problem.exit_code, about=file)
    verdict = answer.verdict
    assert verdict is not None, "an answer has a verdict or a problem"
    click.echo(_json(answer, probe) if form == "json" else _text(verdict, answer, probe))
    if verdict.divergence is not None:
        ctx.exit(DIVERGED)
    if answer.recomputed is not None and answer.recomputed.missing is not None:
        ctx.exit(INCOMPLETE)


def _answer(file: Path, *, until: int, probe: int, recompute: bool) -> Answer:
    """Of a child that decides, and where it is asked for of one that computes."""
    if not recompute:
        return probed(file, until=until, count=probe)
    if probe:
        answer = probed(file, until=until, count=probe)
        if answer.verdict is None or answer.verdict.divergence is not None:
            return answer
    # Imported where it is asked for: it brings the controller's hands with it.
    from replay.isolation.workshop import compute

    return compute(file, until=until)


def _json(answer: Answer, probe: int) -> bytes:
    verdict = msgspec.to_builtins(answer.verdict)
    again = {"recomputed": msgspec.to_builtins(answer.recomputed)} if answer.recomputed is not None else {}
    return msgspec.json.encode({**verdict, **again, "guards": answer.guards, "probes": probe})


def _text(verdict: Verdict, answer: Answer, probe: int) -> str:
    counts = f"{verdict.facts} facts, {verdict.decisions} decisions and {verdict.states} state digests"
    lines = [f"{outcome(verdict.verdict)}  {counts} up to position {verdict.last_seq}"]
    found = verdict.divergence
    if found is not None:
        lines += [
            f"{click.style(found.kind, fg='red')}  {safe(found.message)}",
            f"  after   position {found.fact_seq} ({safe(found.fact_type)})",
            f"  field   {safe(found.first.field)}",
            f"  record  {safe(found.first.recorded)}",
            f"  now     {safe(found.first.decided)}",
        ]
    lines += recomputed(answer.recomputed) if answer.recomputed is not None else []
    lines += [f"note: {safe(note)}" for note in verdict.notes]
    lines += guarded(answer.guards)
    lines += [f"{probe} probes said the same"] if probe and found is None else []
    return "\n".join(lines)
