"""`stagesetctl ledger ls`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger import render
from ledger.cli.lazy import EXIT_CODES
from ledger.cli.params import FORM, LEDGER
from ledger.envelope import Header
from ledger.export.record import checked
from ledger.sqlite_browser import Browser, StreamSummary


@click.command(epilog=EXIT_CODES)
@FORM
@LEDGER
def ls(ledger: Path, form: str) -> None:
    """List the streams and how their last run ended.

    With -o json, one object a line: stream, version, last_seq, last_type, last_at, last_run, last_run_end.

    \b
    Examples:
      stagesetctl ledger ls ledger.db
      stagesetctl ledger ls -o json ledger.db | jq -r 'select(.last_run_end == "failed") | .stream'
    """
    with closing(Browser(ledger, snapshot=True)) as browser:
        if form == "json":
            for summary in browser.streams():
                click.echo(msgspec.json.encode(_facts(summary)))
            return
        rows = [_row(_facts(summary)) for summary in browser.streams()]
    from tabulate import tabulate

    click.echo(
        tabulate(
            rows,
            headers=["STREAM", "VERSION", "LAST EVENT", "AT (UTC)", "LAST RUN"],
            tablefmt="plain",
            disable_numparse=True,
        )
    )


def _facts(summary: StreamSummary) -> dict[str, Any]:
    last: Header = checked(summary.last).header
    end = checked(summary.run_end).header if summary.run_end is not None else None
    return {
        "stream": summary.name,
        "version": last.ver,
        "last_seq": last.seq,
        "last_type": last.type,
        "last_at": last.at,
        "last_run": end.run if end is not None else "",
        "last_run_end": end.type.removeprefix("run.") if end is not None else "",
    }


def _row(facts: dict[str, Any]) -> list[str]:
    return [
        render.safe(facts["stream"]),
        str(facts["version"]),
        render.safe(facts["last_type"]),
        render.instant(facts["last_at"]),
        render.outcome(facts["last_run_end"]),
    ]
