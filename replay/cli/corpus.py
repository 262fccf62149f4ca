"""`stagesetctl replay test`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import click

from ledger.export.sink import to_file
from ledger.render import Columns, outcome, safe
from replay.bundle.format import SUFFIX
from replay.cli.junit import junit
from replay.cli.words import EXIT_CODES
from replay.isolation import corpus
from replay.isolation.corpus import Result

_CLEAR = "\r\x1b[K"


@click.command(epilog=EXIT_CODES)
@click.option(
    "--junit", "target", type=click.Path(path_type=Path), metavar="FILE", help="Also write the results as JUnit XML."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=corpus.jobs,
    show_default="processors",
    help="So many bundles at a time.",
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def test(ctx: click.Context, folder: Path, target: Path | None, jobs: int) -> None:
    """Decide again on every bundle of a folder, for CI.

    Each bundle in DIR, and in the folders below it, is replayed in an isolated child of its own. Ends with the highest
    exit code of all. A folder without bundles is wrong usage: a test that tests nothing must not pass.

    \b
    Examples:
      stagesetctl replay test tests/replay/golden
      stagesetctl replay test --junit build/replay.xml tests/replay/golden
    """
    paths = corpus.bundles(folder)
    if not paths:
        raise click.UsageError(f"{folder} has no bundle: none of its files ends with {SUFFIX}")
    found = sorted(_shown(corpus.checked(paths, jobs=jobs, clock=perf_counter), len(paths)), key=lambda one: one.path)
    if target is not None:
        to_file(target, [junit(found, folder=folder)])
    click.echo("\n".join(_text(found, folder)))
    ctx.exit(corpus.worst(found))


def _shown(results: Iterator[Result], count: int) -> Iterator[Result]:
    """Tell a terminal how far it is."""
    watched = sys.stderr.isatty()
    for number, result in enumerate(results, start=1):
        if watched:
            click.echo(f"{_CLEAR}{number}/{count}  {safe(result.path.name)}", nl=False, err=True)
        yield result
    if watched:
        click.echo(_CLEAR, nl=False, err=True)


def _text(results: Sequence[Result], folder: Path) -> Iterator[str]:
    columns = Columns(("BUNDLE", "TOOK", "VERDICT", "TOLD"))
    rows = [
        (safe(str(one.path.relative_to(folder))), f"{one.took_s:.2f}s", outcome(one.word), safe(one.told))
        for one in results
    ]
    yield columns.heading(rows)
    yield from columns.lines(rows)
    words = Counter(one.word for one in results)
    told = ", ".join(f"{count} {word.lower()}" for word, count in sorted(words.items()))
    yield f"{len(results)} bundle{'s' if len(results) != 1 else ''}: {told}"
