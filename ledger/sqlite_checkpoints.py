"""Checkpoints of folds, kept in the ledger's file. They only save work: deleting them loses nothing."""

from __future__ import annotations

from ledger.chain import Head
from ledger.sqlite_file import SqliteFile


class SqliteCheckpoints:
    """The checkpoints of one ledger file that is open for writing."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def load(self, name: str) -> tuple[Head, bytes] | None:
        row = self._file.one("SELECT seq, hash, data FROM checkpoint WHERE name = ?", (name,))
        return None if row is None else (Head(row[0], row[1]), row[2])

    def save(self, name: str, head: Head, data: bytes) -> None:
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO checkpoint (name, seq, hash, data) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, data = excluded.data",
                (name, head.number, head.hash, data),
            )
