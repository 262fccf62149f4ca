"""`stagesetctl replay report`."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from ledger.export.sink import to_file, to_stdout
from replay.cli.opening import Recording, recording
from replay.cli.words import EXIT_CODES, FILE, explained
from replay.errors import ReplayError
from replay.isolation.parent import ask
from replay.payloads import Manifests
from replay.replayer import Verdict
from replay.report.page import page
from replay.report.subject import Subject
from replay.story import story

_SUFFIX = ".html"


@click.command(epilog=EXIT_CODES)
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Where to; - is standard output. [default: named by the bundle]"
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BUNDLE",
    help="Show how the manifests differ from those of this bundle's run.",
)
@FILE
def report(file: Path, output: str, against: Path | None) -> None:
    """Write what happened in a run as one page for a browser.

    Why it failed stands first. The page loads nothing and runs no script: it can be mailed, printed and read on a
    phone. The same bundle gives the same page.

    \b
    Examples:
      stagesetctl replay report failed.stagereplay
      stagesetctl replay report -o report.html --against good.stagereplay failed.stagereplay
    """
    with explained(file):
        found = recording(file)
        made = _subject(file, found)
    if against is not None:
        with explained(against):
            made = _beside(made, recording(against))
    target = output or f"{file.name.removesuffix('.stagereplay')}{_SUFFIX}"
    if target == "-":
        to_stdout([page(made)])
        return
    if Path(target).resolve() in {path.resolve() for path in (file, against) if path is not None}:
        raise click.BadParameter(f"{target} is the bundle itself", param_hint="--output")
    to_file(Path(target), [page(made)])
    click.echo(target)


def _subject(file: Path, found: Recording) -> Subject:
    run = found.run
    upto = found.runs[: list(found.runs).index(run) + 1]
    verdict, problem = _decided_again(file)
    told = story(found.bundle.records, run=run.id)
    return Subject(found.bundle, told, found.records, upto, found.manifests, verdict, problem)


def _decided_again(file: Path) -> tuple[Verdict | None, str]:
    """What a replay in isolation says; a report is wanted all the more where that fails."""
    try:
        answer = ask(file)
    except ReplayError as error:
        return None, error.message
    return answer.verdict, answer.problem.message if answer.problem is not None else ""


def _beside(made: Subject, other: Recording) -> Subject:
    """The run of another bundle stands as the one before where manifests are held against each other."""
    run = replace(other.run, id=f"{other.run.id} (the other bundle)")
    manifests = Manifests({**other.manifests.found, **made.manifests.found}, made.manifests.withheld)
    return made._replace(against=run, manifests=manifests)
