"""`stagesetctl replay export`."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path

import click

from ledger.export.sink import to_file, to_stdout
from ledger.sqlite_browser import Browser
from replay.bundle import export as exporting
from replay.bundle.format import SUFFIX
from replay.cli.choosing import choose
from replay.cli.words import EXIT_CODES, explained

_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")


@click.command(epilog=EXIT_CODES)
@click.option("-n", "--namespace", default="default", show_default=True, help="Namespace of the StageSet.")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    default="ledger.db",
    show_default=True,
    metavar="FILE",
    help="The ledger; it is opened read-only.",
)
@click.option(
    "-o", "--output", default="", metavar="FILE", help="Where to; - is standard output. [default: named by the run]"
)
@click.option(
    "--until", type=click.IntRange(min=1), metavar="EVENT", help="Stop after the append that has this position."
)
@click.argument("what", metavar="[RUN|STAGESET]", default="")
def export(what: str, namespace: str, ledger: Path, output: str, until: int | None) -> None:
    """Write a run, with all that it was decided on, into one file.

    RUN as 'stagesetctl ledger ls' shows it; with STAGESET its last failed run, with neither the last failed run of
    all. Values of Secrets are not in it. The same ledger gives the same bytes.

    \b
    Examples:
      stagesetctl replay export -n shop checkout
      stagesetctl replay export --ledger ledger.db -o failed.stagereplay shop/checkout/1a2b3c4d-33
      stagesetctl replay export -n shop --ledger /var/lib/stageset/ledger.db -o - checkout > failed.stagereplay
    """
    with closing(Browser(ledger, snapshot=True)) as browser, explained():
        wanted = choose(browser, what, namespace=namespace, until=until or 0)
        target = output or re.sub(r"[^A-Za-z0-9._-]", "-", wanted.run) + SUFFIX
        if target != "-" and os.path.realpath(target) in {os.path.realpath(f"{ledger}{suffix}") for suffix in _BESIDE}:
            raise click.BadParameter(f"{target} belongs to the ledger itself", param_hint="--output")
        pieces = exporting.export(browser, wanted)
        if target == "-":
            to_stdout(pieces)
        else:
            to_file(Path(target), pieces)
            click.echo(target)
