"""SqliteLog: the EventLog in one SQLite file, the embedded default. Plain SQL on the append path.

One writer per file (a lock beside it), any number of readers. A batch is written with its indexes and the ledger's
head in one `BEGIN IMMEDIATE … COMMIT`; after any failure the end of the ledger is read from the file again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ledger import schema
from ledger.chain import Head
from ledger.envelope import Actor, Stored, decode_header, digest
from ledger.errors import AppendRefused, BlobMissing, Damaged, LedgerError, NotALedger
from ledger.log import EVERYTHING, Appended, Batch, Result, Selection
from ledger.sqlite_blobs import INLINE_BYTES_MAX, SqliteBlobs
from ledger.sqlite_checkpoints import SqliteCheckpoints
from ledger.sqlite_file import SqliteFile
from ledger.tip import Staging, Tip, check_erasure

_INSERT = "INSERT INTO record (seq, header, body, salt) VALUES (?, ?, ?, ?)"
#: What a query selects so that `Stored._make` fits.
COLUMNS = "seq, coalesce(CAST(header AS BLOB), x''), CAST(body AS BLOB), CAST(salt AS BLOB)"
_MENTION = "INSERT OR IGNORE INTO mention (name, stream, ver) VALUES (?, ?, ?)"
_FETCH_ROWS = 500
# A named tuple without the detour through Python that its own constructor takes.
_stored: Callable[[tuple[Any, ...]], Stored] = partial(tuple.__new__, Stored)


class SqliteReader:
    """The reading half of a SQLite ledger: opens the file read-only, beside a running writer.

    A `snapshot` sees one state of the file until it is closed: head and records belong together whatever is appended
    meanwhile. It is for one thread, and for readings that end: the write-ahead log grows as long as it is open.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, snapshot: bool = False, _file: SqliteFile | None = None
    ) -> None:
        self._file = _file or SqliteFile(Path(path), writable=False)
        if snapshot:
            self._file.pin()
        self.blobs = SqliteBlobs(self._file)

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        tests, values = where(selection)
        with self._file.reader() as connection:
            cursor = connection.execute(f"SELECT {COLUMNS} FROM record{tests} ORDER BY seq", values)  # noqa: S608 (only constants are pasted)
            while rows := cursor.fetchmany(_FETCH_ROWS):
                yield from map(_stored, rows)

    def head(self) -> Head:
        row = self._file.one("SELECT seq, hash FROM head WHERE id = 0")
        if row is None:
            raise Damaged(str(self._file.path), "it does not remember its head")
        return Head(*row)

    def erased(self, seq: int) -> bool:
        return self._file.one("SELECT 1 FROM erasure WHERE seq = ?", (seq,)) is not None

    def close(self) -> None:
        self._file.close()


class SqliteLog(SqliteReader):
    """An EventLog in a file. `chance(n)` gives n random bytes, for salts and for the id of a new ledger."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        replica: str,
        at: str,
        chance: Callable[[int], bytes] = os.urandom,  # noqa: TID251 (salts and a new ledger's id are born here)
        inline_bytes_max: int = INLINE_BYTES_MAX,
    ) -> None:
        """Open the ledger at `path` for writing; a file that is not there is created, with `at` as its first instant.

        Raises `Locked`, `ReadOnly`, `DiskFull`, `NotALedger`, `NewerFormat`, `Damaged`.
        """
        super().__init__(path, _file=SqliteFile(Path(path), writable=True))
        self._replica = replica
        self._chance = chance
        self.blobs = SqliteBlobs(self._file, inline_bytes_max=inline_bytes_max)
        self.checkpoints = SqliteCheckpoints(self._file)
        try:
            self._tip = self._create(at) if self._file.is_new() else self._load()
        except BaseException:
            self.close()
            raise

    @property
    def ledger(self) -> str:
        return self._tip.ledger

    @property
    def epoch(self) -> int:
        return self._tip.epoch

    def version(self, stream: str) -> int:
        known = self._tip.streams.get(stream)
        return (known or self._stream_head(stream)).number

    def open_epoch(self, *, actor: Actor, at: str, reason: str, software: str = "") -> int:
        with self._file.exclusive():
            staging = self._stage()
            epoch = staging.open_epoch(actor=actor, at=at, reason=reason, software=software)
            self._write(staging)
            return epoch

    def append(self, batch: Batch) -> Appended:
        result = self.append_many((batch,))[0]
        if isinstance(result, LedgerError):
            raise result
        return result

    def append_many(self, batches: Sequence[Batch]) -> list[Result]:
        with self._file.exclusive():
            staging = self._stage()
            results: list[Result] = []
            for batch in batches:
                try:
                    results.append(staging.add(batch))
                except (AppendRefused, BlobMissing) as refusal:
                    results.append(refusal)
            self._write(staging)
        return results

    def erase(self, positions: Sequence[int], *, batch: Batch) -> Appended:
        with self._file.exclusive():
            staging = self._stage()
            appended = staging.add(batch)
            check_erasure(self, positions, batch)
            self._write(staging, erase=positions)
            self._file.truncate_wal()
        return appended

    def _stage(self) -> Staging:
        return Staging(
            self._tip,
            replica=self._replica,
            chance=self._chance,
            has_blob=self.blobs.has,
            stream_head=self._stream_head,
        )

    def _write(self, staging: Staging, *, erase: Sequence[int] = ()) -> None:
        if not staging.rows:
            return
        try:
            with self._file.transaction() as connection:
                _insert(connection, staging)
                connection.executemany(_MENTION, staging.mentions)
                by = staging.head.number
                connection.executemany(
                    "INSERT OR IGNORE INTO erasure (seq, by) VALUES (?, ?)", [(p, by) for p in erase]
                )
                connection.executemany(
                    "UPDATE record SET body = NULL, salt = NULL WHERE seq = ?", [(p,) for p in erase]
                )
        except LedgerError:
            # Whether a failed COMMIT reached the disk is unknown: only the file can tell where the ledger ends.
            self._tip = self._load()
            raise
        staging.settle()

    def _create(self, at: str) -> Tip:
        self._tip = Tip(self._chance(16).hex())
        staging = self._stage()
        staging.genesis(at=at, software="")
        with self._file.transaction() as connection:
            schema.create(connection)
            _insert(connection, staging)
        staging.settle()
        return self._tip

    def _load(self) -> Tip:
        row = self._file.one("SELECT CAST(header AS BLOB) FROM record ORDER BY seq DESC LIMIT 1")
        if row is None:
            raise NotALedger(str(self._file.path), "it has no records")
        last, head = decode_header(row[0]), self.head()
        if head != Head(last.seq, digest(row[0])):
            raise Damaged(
                str(self._file.path),
                f"it remembers {head.number} records, the last one there is {last.seq}; run 'stagesetctl audit verify'",
            )
        return Tip(last.ledger, head=head, epoch=last.writer.epoch)

    def _stream_head(self, stream: str) -> Head:
        row = self._file.one(
            "SELECT CAST(header AS BLOB) FROM record WHERE header ->> 'stream' = ?"
            " ORDER BY header ->> 'ver' DESC LIMIT 1",
            (stream,),
        )
        return Head() if row is None else Head(decode_header(row[0]).ver, digest(row[0]))


def _insert(connection: sqlite3.Connection, staging: Staging) -> None:
    """The rows, and the head that they lead to."""
    rows = [
        (seq, header.decode(), None if body is None else body.decode(), salt)
        for seq, header, body, salt in staging.rows
    ]
    connection.executemany(_INSERT, rows)
    connection.execute("UPDATE head SET seq = ?, hash = ? WHERE id = 0", staging.head)


# A run or a snapshot is looked for in the streams that name it, from where they first do.
_NAMED = (
    "header ->> '{field}' = ? AND header ->> 'stream' IN (SELECT stream FROM mention WHERE name = ?)"
    " AND header ->> 'ver' >= (SELECT min(ver) FROM mention WHERE name = ?)"
)


def where(selection: Selection) -> tuple[str, list[str | int]]:
    """What follows `FROM record` for a selection. The expressions are the letters of the index in `ledger.schema`."""
    tests: list[tuple[str, tuple[str | int, ...]]] = [
        ("header ->> 'stream' = ?", (selection.stream,)),
        (_NAMED.format(field="run"), (selection.run,) * 3),
        (_NAMED.format(field="snapshot"), (selection.snapshot,) * 3),
        ("header ->> 'stage' = ?", (selection.stage,)),
        ("header ->> 'outcome' = ?", (selection.outcome,)),
        ("seq > ?", (selection.after,)),
        ("seq <= ?", (selection.until,)),
        ("header ->> 'at' >= ?", (selection.since,)),
        ("header ->> 'at' < ?", (selection.before,)),
    ]
    clauses = [(sql, given) for sql, given in tests if given[0]]
    values: list[str | int] = [value for _, given in clauses for value in given]
    texts = [sql for sql, _ in clauses]
    if selection.stream_prefix:
        texts.append("substr(header ->> 'stream', 1, ?) = ?")
        values += [len(selection.stream_prefix), selection.stream_prefix]
    if selection.types:
        texts.append(f"header ->> 'type' IN ({', '.join('?' * len(selection.types))})")
        values += selection.types
    # The planner would rather walk the whole table than sort what the index finds.
    index = " INDEXED BY record_stream" if selection.stream or selection.run or selection.snapshot else ""
    return index + (" WHERE " + " AND ".join(texts) if texts else ""), values
