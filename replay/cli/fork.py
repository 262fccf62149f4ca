"""`stagesetctl replay fork`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.params import FORM
from replay.cli import giving
from replay.cli.telling import forked, guarded
from replay.cli.words import EXIT_CODES, FILE, end, explained
from replay.errors import DIVERGED, INCOMPLETE
from replay.forking.changes import Changes
from replay.isolation.workshop import compute


@click.command(epilog=EXIT_CODES)
@FORM
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="PATH=VALUE",
    help="Another value of a field: spec.timeout=30m, spec.stages[backend].path=prod, "
    "policy.allowedActionHosts=hooks.example.com. May be given several times.",
)
@click.option(
    "--patch", "patches", multiple=True, type=click.Path(path_type=Path), metavar="F", help="A merge patch of the spec."
)
@click.option(
    "--artifact",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder in the place of the artifact of the stage that failed.",
)
@click.option("--source", "sources", multiple=True, metavar="STAGE=DIR", help="The same for another stage.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="EVENT=F",
    help="An answer in the place of the world's: 'outcome' and the fields of the event, as JSON or YAML.",
)
@click.option("--simulate", is_flag=True, help="Have a cluster in memory answer what the recording cannot.")
@FILE
@click.pass_context
def fork(ctx: click.Context, /, file: Path, form: str, **given: Any) -> None:
    """Decide on with a change: what would have happened instead.

    What was recorded for the very same question is answered from the recording, builds and guards are computed by the
    controller's own code. What is left stops the fork and is told (exit code 4), unless --simulate has a cluster in
    memory answer it; every such answer is marked. Runs isolated, as 'run --recompute' does.

    \b
    Examples:
      stagesetctl replay fork --set spec.timeout=30m failed.stagereplay
      stagesetctl replay fork --patch fixed.yaml --simulate failed.stagereplay
      stagesetctl replay fork --source backend=./deploy failed.stagereplay
      stagesetctl replay fork --answer 61=answer.json failed.stagereplay
    """
    changes = Changes(
        sets=giving.fields(given["sets"]),
        patches=giving.patches(given["patches"]),
        artifacts=giving.artifacts(given["artifact"], given["sources"]),
        answers=giving.answers(given["answers"]),
        simulate=given["simulate"],
    )
    with explained(file):
        answer = compute(file, changes=changes)
    if answer.problem is not None:
        end(answer.problem.message, code=answer.problem.exit_code, about=file)
    found, verdict = answer.forked, answer.verdict
    if found is None:
        assert verdict is not None, "what cannot be forked diverges before"
        divergence = verdict.divergence
        assert divergence is not None, "what cannot be forked diverges before"
        end(f"it is not reproduced, so nothing follows from it: {divergence.message}", code=DIVERGED, about=file)
    if form == "json":
        click.echo(msgspec.json.encode({**msgspec.to_builtins(found), "guards": answer.guards}))
    else:
        click.echo("\n".join([*forked(found), *guarded(answer.guards)]))
    if found.question is not None:
        ctx.exit(INCOMPLETE)
