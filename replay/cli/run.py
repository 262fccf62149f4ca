"""`stagesetctl replay run`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ledger.cli.params import FORM
from ledger.render import outcome, safe
from replay.cli.words import EXIT_CODES, FILE, end, explained
from replay.errors import DIVERGED
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
@FILE
@click.pass_context
def run(ctx: click.Context, file: Path, form: str, until: int | None, probe: int) -> None:
    """Decide again on every recorded fact, and compare.

    Strict: order, requests, results and state digests, and nothing left over on either side. Runs in a process of its
    own, without environment, network, programs or files; says which guards were on.

    \b
    Examples:
      stagesetctl replay run shop-checkout-1a2b3c4d-33.stagereplay
      stagesetctl replay run --probe 4 failed.stagereplay
      stagesetctl replay run -o json failed.stagereplay | jq .divergence
    """
    with explained(file):
        answer = probed(file, until=until or 0, count=probe)
    if answer.problem is not None:
        end(answer.problem.message, code=answer.problem.exit_code, about=file)
    verdict = answer.verdict
    assert verdict is not None, "an answer has a verdict or a problem"
    click.echo(_json(answer, probe) if form == "json" else _text(verdict, answer.guards, probe))
    if verdict.divergence is not None:
        ctx.exit(DIVERGED)


def _json(answer: Answer, probe: int) -> bytes:
    verdict = msgspec.to_builtins(answer.verdict)
    return msgspec.json.encode({**verdict, "guards": answer.guards, "probes": probe})


def _text(verdict: Verdict, guards: dict[str, bool], probe: int) -> str:
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
    lines += [f"note: {safe(note)}" for note in verdict.notes]
    off = [name for name, on in guards.items() if not on]
    lines.append("guards on: " + ", ".join(name for name, on in guards.items() if on))
    lines += [f"guards off, not allowed here: {', '.join(off)}"] if off else []
    lines += [f"{probe} probes said the same"] if probe and found is None else []
    return "\n".join(lines)
