"""SqliteLog: the EventLog in one SQLite file, the embedded default. Plain SQL on the append path.

One writer per file (a lock beside it), any number of readers. A batch is written with its indexes and the ledger's
head in one `BEGIN IMMEDIATE … COMMIT`; after any failure the end of the ledger is read from the file again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ledger import schema
from ledger.chain import Head
from ledger.envelope import Actor, Packed, Stored, decode_header, digest
from ledger.errors import AppendRefused, BlobMissing, Damaged, LedgerError, NotALedger
from ledger.log import EVERYTHING, Appended, Batch, Result, Selection
from ledger.sqlite_blobs import INLINE_BYTES_MAX, SqliteBlobs
from ledger.sqlite_checkpoints import SqliteCheckpoints
from ledger.sqlite_file import SqliteFile
from ledger.tip import Staging, Tip, check_erasure

# The bytes as they were hashed, in columns that are text: SQLite takes them as they are.
_INSERT = "INSERT INTO record (seq, header, body, salt) VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), ?)"
_SEGMENT = "INSERT INTO segment (stream, ver, seq, records) VALUES (?, ?, ?, ?)"
#: What a query selects so that `Stored._make` fits.
COLUMNS = "record.seq, coalesce(CAST(header AS BLOB), x''), CAST(body AS BLOB), CAST(salt AS BLOB)"
#: Records by segment. CROSS JOIN: the planner would rather walk all records and look for the segment of each.
BY_SEGMENT = "segment CROSS JOIN record ON record.seq >= segment.seq AND record.seq < segment.seq + segment.records"
_MENTION = "INSERT OR IGNORE INTO mention (name, stream, ver) VALUES (?, ?, ?)"
# Few enough to stay in the processor's cache until they are looked at.
_FETCH_ROWS = 100
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
        source, values = selected(selection)
        with self._file.reader() as connection:
            cursor = connection.execute(f"SELECT {COLUMNS} FROM {source} ORDER BY record.seq", values)  # noqa: S608 (only constants are pasted)
            while rows := cursor.fetchmany(_FETCH_ROWS):
                yield from map(_stored, rows)

    def head(self) -> Head:
        row = self._file.one("SELECT seq, hash FROM head WHERE id = 0")
        if row is None:
            raise Damaged(str(self._file.path), "it does not remember its head")
        return Head(*row)

    def erased(self, seq: int) -> bool:
        return self._file.one("SELECT 1 FROM erasure WHERE seq = ?", (seq,)) is not None

    def astray(self) -> int:
        due, newest = 0, self.head().number
        with self._file.reader() as connection:
            for first, records, wrong, last in connection.execute(_SEGMENTS):
                due, newest = due + 1, int(last)
                if first != due or records < 1:
                    return max(1, min(int(first), due))
                if wrong is not None:
                    return int(wrong)
                due += records - 1
        return 0 if due == newest else min(due, newest) + 1

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

    def append_many(self, batches: Sequence[Batch], *, blobs: Sequence[Packed] = ()) -> list[Result]:
        with self._file.exclusive():
            fresh = self.blobs.fresh(blobs) if blobs else []
            staging = self._stage(arriving={blob.digest for blob in fresh})
            results: list[Result] = []
            for batch in batches:
                try:
                    results.append(staging.add(batch))
                except (AppendRefused, BlobMissing) as refusal:
                    results.append(refusal)
            self._write(staging, blobs=fresh)
        return results

    def erase(self, positions: Sequence[int], *, batch: Batch) -> Appended:
        with self._file.exclusive():
            staging = self._stage()
            appended = staging.add(batch)
            check_erasure(self, positions, batch)
            self._write(staging, erase=positions)
            self._file.truncate_wal()
        return appended

    def _stage(self, *, arriving: Collection[str] = ()) -> Staging:
        return Staging(
            self._tip,
            replica=self._replica,
            chance=self._chance,
            has_blob=lambda digest: digest in arriving or self.blobs.has(digest),
            stream_head=self._stream_head,
        )

    def _write(self, staging: Staging, *, erase: Sequence[int] = (), blobs: Sequence[Packed] = ()) -> None:
        if not staging.rows and not blobs:
            return
        try:
            with self._file.transaction() as connection:
                if blobs:
                    self.blobs.insert(connection, blobs)
                if staging.rows:
                    _insert(connection, staging)
                if erase:
                    _erase(connection, erase, by=staging.head.number)
        except LedgerError:
            # Whether a failed COMMIT reached the disk is unknown: only the file can tell where the ledger ends.
            self._tip = self._load()
            raise
        staging.settle()
        if blobs:
            self.blobs.settle(blobs)

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
        row = self._file.one(_STREAM_HEAD, (stream,))
        if row is None:
            return Head()
        last = decode_header(row[1])
        if (last.stream, last.ver) != (stream, row[0]):
            raise Damaged(
                str(self._file.path),
                f"position {last.seq} is not where stream {stream} ends; run 'stagesetctl audit verify'",
            )
        return Head(last.ver, digest(row[1]))


def _insert(connection: sqlite3.Connection, staging: Staging) -> None:
    """The rows, what finds them, and the head that they lead to."""
    connection.executemany(_INSERT, staging.rows)
    connection.executemany(_SEGMENT, staging.segments)
    if staging.mentions:
        connection.executemany(_MENTION, staging.mentions)
    connection.execute("UPDATE head SET seq = ?, hash = ? WHERE id = 0", staging.head)


def _erase(connection: sqlite3.Connection, positions: Sequence[int], *, by: int) -> None:
    connection.executemany("INSERT OR IGNORE INTO erasure (seq, by) VALUES (?, ?)", [(p, by) for p in positions])
    connection.executemany("UPDATE record SET body = NULL, salt = NULL WHERE seq = ?", [(p,) for p in positions])


_STREAM_HEAD = """
SELECT segment.ver + segment.records - 1, CAST(header AS BLOB)
FROM segment JOIN record ON record.seq = segment.seq + segment.records - 1
WHERE segment.stream = ? ORDER BY segment.ver DESC LIMIT 1
"""
# Every segment, with the first of its records that is of another stream or version than the segment says; and the last
# record of all, seen at the same moment.
_SEGMENTS = """
SELECT seq, records, (
  SELECT min(record.seq) FROM record
  WHERE record.seq >= segment.seq AND record.seq < segment.seq + segment.records AND (
    header ->> 'stream' IS NOT segment.stream OR header ->> 'ver' IS NOT segment.ver + record.seq - segment.seq
  )
) AS wrong, (SELECT coalesce(max(seq), 0) FROM record)
FROM segment ORDER BY seq
"""
# A run or a snapshot is looked for in the streams that name it, from where they first do.
_NAMED = (
    "header ->> '{field}' = ? AND segment.stream IN (SELECT stream FROM mention WHERE name = ?)"
    " AND segment.ver + segment.records > (SELECT min(ver) FROM mention WHERE name = ?)"
)


def selected(selection: Selection) -> tuple[str, list[str | int]]:
    """What follows `FROM` for a selection, and the values in it."""
    by_segment = bool(selection.stream or selection.run or selection.snapshot)
    # The sign keeps SQLite from taking the position, and not the segment, for the bound of the records it looks at.
    seq = "+record.seq" if by_segment else "record.seq"
    after, until = (selection.after, selection.until) if by_segment else (0, 0)
    tests: list[tuple[str, tuple[str | int, ...]]] = [
        ("segment.stream = ?", (selection.stream,)),
        (_NAMED.format(field="run"), (selection.run,) * 3),
        (_NAMED.format(field="snapshot"), (selection.snapshot,) * 3),
        ("header ->> 'stage' = ?", (selection.stage,)),
        ("header ->> 'outcome' = ?", (selection.outcome,)),
        ("segment.seq + segment.records - 1 > ?", (after,)),
        ("segment.seq <= ?", (until,)),
        (f"{seq} > ?", (selection.after,)),
        (f"{seq} <= ?", (selection.until,)),
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
    source = BY_SEGMENT if by_segment else "record"
    return source + (" WHERE " + " AND ".join(texts) if texts else ""), values
