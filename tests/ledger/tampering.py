"""A small ledger with a bit of everything, and a reader over rows that a test may alter at will."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ledger.chain import Head
from ledger.envelope import Actor, Stored, decode_header, digest
from ledger.log import EVERYTHING, Blobs, EventLog, Selection
from tests.ledger.making import append, bare, draft, erase

SMALL = b"small"
LARGE = bytes(range(120))


def write_small(log: EventLog) -> None:
    """Ten records: bodies, none, an erased one, blobs inline and beside, two streams and the ledger's own."""
    log.open_epoch(actor=Actor(kind="user", id="jane"), at="2030-01-31T12:00:00.000Z", reason="test")
    small, large = log.blobs.put(SMALL), log.blobs.put(LARGE)
    append(log, "a", draft("first", blobs=(small,)), bare(run="r"))
    append(log, "b", draft("to be erased"), bare(blobs=(large, small)))
    append(log, "a", draft("e", stage="s", outcome="ok"))
    erase(log, [5])
    append(log, "b", bare())
    append(log, "a", draft("last"))


class Rows:
    """A reader over rows in memory. Positions are found by looking, as a table would."""

    def __init__(
        self, rows: list[Stored], head: Head, blobs: Blobs, *, erased: frozenset[int] = frozenset({5})
    ) -> None:
        self.rows, self._head, self._erased = rows, head, erased
        self.blobs = blobs

    def head(self) -> Head:
        return self._head

    def erased(self, seq: int) -> bool:
        return seq in self._erased

    def astray(self) -> int:
        return 0

    def close(self) -> None: ...

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        for row in self.rows:
            if selection.is_range:
                if row.seq > selection.after and (not selection.until or row.seq <= selection.until):
                    yield row
            elif selection.matches(decode_header(row.header)):
                yield row


def renumbered(rows: list[Stored]) -> list[Stored]:
    return [row._replace(seq=number) for number, row in enumerate(rows, start=1)]


def head_of(rows: list[Stored]) -> Head:
    return Head(rows[-1].seq, digest(rows[-1].header))


def unguarded(path: Path) -> sqlite3.Connection:
    """A connection for somebody with the file in their hands: no triggers and no waiting for the disk."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    return connection


def replace_all(path: Path, rows: list[Stored], head: Head) -> None:
    """Write other rows and another head into a ledger's file."""
    with closing(unguarded(path)) as connection:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM record")
        connection.executemany(
            "INSERT INTO record (seq, header, body, salt) VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?)", rows
        )
        connection.execute("UPDATE head SET seq = ?, hash = ?", head)
        connection.execute("COMMIT")
