"""`stagesetctl audit export`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ledger.cli.lazy import EXIT_CODES
from ledger.cli.params import LEDGER, filters, selection
from ledger.cli.progress import progress
from ledger.export.record import Exported, records
from ledger.export.sink import to_file, to_stdout
from ledger.sqlite_log import SqliteReader

_BESIDE = ("", "-wal", "-shm", "-journal", ".lock")


@click.command(epilog=EXIT_CODES)
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv", "cloudevents"]), default="jsonl", show_default=True
)
@click.option("--output", default="-", metavar="FILE", show_default=True, help="Where to; - is standard output.")
@filters
@LEDGER
def export(ledger: Path, form: str, output: str, **options: Any) -> None:
    """Write records as JSON lines, CSV or CloudEvents.

    Each record carries its position and hashes, so that it can be held against the ledger. A file appears under its
    name only when it is complete. CSV is safe to open in a spreadsheet: a cell that looks like a formula gets an
    apostrophe in front.

    \b
    Examples:
      stagesetctl audit export ledger.db > ledger.jsonl
      stagesetctl audit export --format csv --outcome failed --output failed.csv ledger.db
      stagesetctl audit export --format cloudevents --since 2030-01-31T00:00:00Z ledger.db
    """
    if output != "-" and os.path.realpath(output) in {os.path.realpath(f"{ledger}{suffix}") for suffix in _BESIDE}:
        raise click.BadParameter(f"{output} belongs to the ledger itself", param_hint="--output")
    with closing(SqliteReader(ledger, snapshot=True)) as reader:
        shown = output != "-"
        with progress(reader.head().number if shown else 0, label="exporting") as tell:
            lines = _format(form)(_told(records(reader, selection(options)), tell))
            if shown:
                to_file(Path(output), lines)
            else:
                to_stdout(lines)


def _told(exported: Iterator[Exported], tell: Callable[[int], None]) -> Iterator[Exported]:
    for number, record in enumerate(exported):
        if number % 1_000 == 0:
            tell(record.stored.seq)
        yield record


def _format(form: str) -> Callable[[Iterator[Exported]], Iterator[bytes]]:
    match form:
        case "csv":
            from ledger.export.spreadsheet import spreadsheet

            return spreadsheet
        case "cloudevents":
            from ledger.export.cloudevents import cloudevents

            return cloudevents
        case _:
            from ledger.export.jsonl import jsonl

            return jsonl
