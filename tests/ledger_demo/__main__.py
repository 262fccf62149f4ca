"""The ledger at work: writes a story, shows it, verifies it, tampers with copies and catches each.

Leaves the untouched ledger at build/demo/ledger.db. Everything it runs is printed first, as one would type it.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click

from tests.ledger_demo.story import write

FOLDER = Path("build/demo")
LEDGER = FOLDER / "ledger.db"
_TRIGGERS = ("record_no_update", "record_no_delete")
_NEXT = (
    "stagesetctl ledger show {ledger} 87",
    "stagesetctl ledger show --type 'stage.*' {ledger}",
    "stagesetctl audit export --format csv --output build/demo/failed.csv --outcome failed {ledger}",
    'sqlite-utils query {ledger} "select type, count(*) as times from event group by type order by times desc" -t',
    "sqlite-utils query {ledger} \"select at, stage, body ->> 'message' as why from event"
    " where type = 'stage.failed'\" -t",
    'sqlite-utils query {ledger} "select run, stage, min(at) as began, max(at) as ended from event'
    " where stage <> '' group by run, stage order by began\" -t",
)


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    _title("A release of three stages; the second one fails to verify")
    write(LEDGER)
    _run("ledger", "ls", str(LEDGER))
    _run("ledger", "show", "--run", "checkout-33", str(LEDGER))
    _title("Is this what was written?")
    good = _run("audit", "verify", str(LEDGER)) == 0
    _title("Somebody flips one bit of one record")
    caught = _caught("one-bit.db", _flip_a_bit)
    _title("Somebody removes the record of the failure")
    caught += _caught("one-gone.db", _drop_a_record)
    _title("Try next")
    for line in _NEXT:
        click.echo("  .venv/bin/" + line.format(ledger=LEDGER))
    click.echo()
    if good and caught == 2:
        return 0
    click.echo("The demo did not go as it should.", err=True)
    return 1


def _caught(name: str, tamper: Callable[[sqlite3.Connection], None]) -> int:
    copy = FOLDER / name
    with closing(sqlite3.connect(LEDGER)) as ledger:
        ledger.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as connection, connection:
        for trigger in _TRIGGERS:
            connection.execute(f"DROP TRIGGER {trigger}")
        tamper(connection)
    return int(_run("audit", "verify", str(copy)) == 1)


def _flip_a_bit(connection: sqlite3.Connection) -> None:
    seq, header = connection.execute(
        "SELECT seq, header FROM record WHERE header ->> 'type' = 'verify.finished' ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    place = header.index('"at":"') + len('"at":"2030-01-31T12:0')
    altered = header[:place] + chr(ord(header[place]) ^ 1) + header[place + 1 :]
    connection.execute("UPDATE record SET header = ? WHERE seq = ?", (altered, seq))


def _drop_a_record(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM record WHERE header ->> 'type' = 'stage.failed'")


def _run(*words: str) -> int:
    click.echo(click.style("$ stagesetctl " + " ".join(words), bold=True))
    sys.stdout.flush()
    code = subprocess.run([sys.executable, "-m", "replay", *words], check=False).returncode
    click.echo()
    return code


def _title(text: str) -> None:
    click.echo(click.style(f"── {text} ", fg="cyan") + click.style("─" * max(0, 76 - len(text)), fg="cyan"))


if __name__ == "__main__":
    sys.exit(main())
