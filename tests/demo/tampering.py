"""The last act: copies of the ledger are tampered with, and the audit finds what was done.

The ledger itself is not touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

_TRIGGERS = ("record_no_update", "record_no_delete")


def tampered(ledger: Path, name: str, tamper: Callable[[sqlite3.Connection], None]) -> Path:
    """A copy of the ledger, beside it, with something done to it that its triggers refuse."""
    copy = ledger.with_name(name)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as connection, connection:
        for trigger in _TRIGGERS:
            connection.execute(f"DROP TRIGGER {trigger}")
        tamper(connection)
    return copy


def flip_a_bit(connection: sqlite3.Connection) -> None:
    """The verification that failed now ended a second earlier or later."""
    seq, header = connection.execute(
        "SELECT seq, header FROM record WHERE header ->> 'type' = 'verify.finished'"
        " AND header ->> 'outcome' = 'failed' ORDER BY seq LIMIT 1"
    ).fetchone()
    place = header.index('"at":"') + len('"at":"2030-01-31T12:00:0')
    altered = header[:place] + chr(ord(header[place]) ^ 1) + header[place + 1 :]
    connection.execute("UPDATE record SET header = ? WHERE seq = ?", (altered, seq))


def drop_the_failure(connection: sqlite3.Connection) -> None:
    """The failure was never recorded."""
    connection.execute("DELETE FROM record WHERE header ->> 'type' = 'stage.failed'")
