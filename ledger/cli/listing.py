"""Lists of events, for people as a table that is printed as it comes, for machines as JSON lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from itertools import islice

import click

from ledger.envelope import Header, Stored
from ledger.events import Event
from ledger.export.jsonl import line
from ledger.export.record import checked
from ledger.log import Selection
from ledger.render import Columns, instant, outcome, safe, summary
from ledger.upcast import decode_event

_ROWS_AT_ONCE = 500
_NAMES = ("SEQ", "AT (UTC)", "STREAM", "STAGE", "EVENT", "OUTCOME", "WHAT")
_STREAM = _NAMES.index("STREAM")


class Listing:
    """One list on standard output. Raises `Broken` at a record that is not what its header says."""

    def __init__(self, form: str, *, chosen: Selection) -> None:
        self._form = form
        # Where one stream was asked for, its long name in every line would only be in the way.
        self._one_stream = bool(chosen.stream or chosen.run)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        self._columns = Columns(self._cells(_NAMES), width=width)
        self._started = False

    def show(self, records: Iterable[Stored]) -> None:
        """Print more records."""
        iterator = iter(records)
        while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
            if self._form == "json":
                click.echo(b"".join(line(checked(stored)) for stored in chunk), nl=False)
            else:
                self._table(chunk)

    def _table(self, chunk: list[Stored]) -> None:
        rows = []
        for stored in chunk:
            header = checked(stored).header
            rows.append(self._cells(_row(header, decode_event(header, stored.body))))
        lines = self._columns.lines(rows)
        if not self._started:
            lines.insert(0, self._columns.heading(rows))
            self._started = True
        click.echo("\n".join(lines))

    def _cells(self, row: tuple[str, ...]) -> tuple[str, ...]:
        return row[:_STREAM] + row[_STREAM + 1 :] if self._one_stream else row


def _row(header: Header, event: Event | None) -> tuple[str, ...]:
    return (
        str(header.seq),
        instant(header.at),
        safe(header.stream),
        safe(header.stage),
        safe(header.type),
        outcome(header.outcome),
        safe(summary(event)),
    )
