"""`stagesetctl replay export`."""

from __future__ import annotations

import os
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ledger.export.sink import to_file, to_stdout
from ledger.sqlite_browser import Browser
from replay.bundle import export as exporting
from replay.bundle import sealing
from replay.bundle.format import SUFFIX
from replay.cli.choosing import choose
from replay.cli.words import EXIT_CODES, explained

_BESIDE = ("", "-wal", "-shm", "-journal", ".lock", ".key")


def _recipients(ctx: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Recipients that can be encrypted for. What was given is not repeated: it may be an identity, which is secret."""
    for text in texts:
        try:
            sealing.recipient(text)
        except sealing.NoRecipient as error:
            raise click.BadParameter(str(error), ctx=ctx, param=option) from None
    return tuple(dict.fromkeys(texts))


def _options(*, with_logs: bool, include_secrets: bool, recipients: tuple[str, ...]) -> exporting.Options:
    if include_secrets and not recipients:
        raise click.UsageError(
            "--include-secrets needs --recipient age1...: what is withheld goes to somebody, or it does not go"
        )
    if recipients and not include_secrets:
        raise click.UsageError("--recipient without --include-secrets encrypts nothing: give both, or neither")
    return exporting.Options(with_logs=with_logs, recipients=recipients)


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
@click.option("--with-logs", is_flag=True, help="Take in the tails of the logs of Jobs; they are left out otherwise.")
@click.option(
    "--include-secrets",
    is_flag=True,
    help="Take in, encrypted with age, the artifacts that spell Secrets out. Needs --recipient.",
)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="age1...",
    callback=_recipients,
    help="Who can open what is encrypted; several times for several readers.",
)
@click.argument("what", metavar="[RUN|STAGESET]", default="")
def export(what: str, namespace: str, ledger: Path, output: str, until: int | None, **given: Any) -> None:
    """Write a run, with all that it was decided on, into one file.

    RUN as 'stagesetctl ledger ls' shows it; with STAGESET its last failed run, with neither the last failed run of
    all. Values of Secrets are not in it. The same ledger and options give the same bytes, except for what is encrypted.

    \b
    Examples:
      stagesetctl replay export -n shop checkout
      stagesetctl replay export --ledger ledger.db -o failed.stagereplay shop/checkout/1a2b3c4d-33
      stagesetctl replay export -n shop --ledger /var/lib/stageset/ledger.db -o - checkout > failed.stagereplay
      stagesetctl replay export -n shop --with-logs --include-secrets --recipient age1... checkout
    """
    options = _options(**given)
    with closing(Browser(ledger, snapshot=True)) as browser, explained():
        wanted = choose(browser, what, namespace=namespace, until=until or 0)
        target = output or re.sub(r"[^A-Za-z0-9._-]", "-", wanted.run) + SUFFIX
        if target != "-" and os.path.realpath(target) in {os.path.realpath(f"{ledger}{suffix}") for suffix in _BESIDE}:
            raise click.BadParameter(f"{target} belongs to the ledger itself", param_hint="--output")
        pieces = exporting.export(browser, wanted, options)
        if target == "-":
            to_stdout(pieces)
        else:
            to_file(Path(target), pieces)
            click.echo(target)
