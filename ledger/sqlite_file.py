"""One SQLite file: its single writer, its readers, its lock, and SQLite's errors in our own words.

Not the ledger's logic. The write lock of SQLite is taken before anything is read (`BEGIN IMMEDIATE`: a deferred
transaction that read first fails at once in WAL mode). `synchronous=FULL`: a commit that returned is on disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any

from ledger import schema
from ledger.errors import Closed, Damaged, DiskFull, LedgerError, Locked, NewerFormat, NotALedger, ReadOnly, Unavailable

_BUSY_MS = 10_000


class SqliteFile:
    """An open ledger file. Only `writable` ones take the lock beside it."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self._lock = RLock()
        self._lock_fd: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._pinned: sqlite3.Connection | None = None
        if path.is_dir():
            raise NotALedger(str(path), "it is a folder")
        if not writable:
            with self.reader():
                return
        self._lock_fd = _take_lock(path)
        try:
            self._connection = self._open_for_writing()
        except BaseException:
            self.close()
            raise

    def _open_for_writing(self) -> sqlite3.Connection:
        with explained(self.path):
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
                if not _is_empty(connection):
                    _check_format(connection, self.path)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                # What was erased on order is overwritten, not only unlinked.
                connection.execute("PRAGMA secure_delete = ON")
            except BaseException:
                connection.close()
                raise
            return connection

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep the other threads of this process from writing. Raises `Closed`."""
        with self._lock:
            if self._connection is None:
                raise Closed
            yield

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction: committed when the block ends well, undone when it raises.

        Raises `Unavailable` and its leaves; whether a failed COMMIT reached the disk is unknown: read again.
        """
        with self._lock:
            if self._connection is None:
                raise Closed
            connection = self._connection
            with explained(self.path):
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        with suppress(sqlite3.Error):
                            connection.execute("ROLLBACK")
                    raise

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection of its own, which sees one state of the file per statement."""
        if self._pinned is not None:
            with explained(self.path):
                yield self._pinned
            return
        with explained(self.path), closing(_open_read_only(self.path)) as connection:
            _check_format(connection, self.path)
            yield connection

    def pin(self) -> None:
        """See one state of the file from now on, whatever a writer adds, in all readings of this thread."""
        with explained(self.path):
            connection = _open_read_only(self.path)
            try:
                _check_format(connection, self.path)
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except BaseException:
                connection.close()
                raise
            self._pinned = connection

    def one(self, sql: str, values: Sequence[str | int] = ()) -> tuple[Any, ...] | None:
        """The first row of a short query; a writer asks over its own connection, inside its own transaction."""
        with self._lock:
            if self._connection is not None:
                with explained(self.path):
                    return self._first(self._connection, sql, values)
        with self.reader() as connection:
            return self._first(connection, sql, values)

    @staticmethod
    def _first(connection: sqlite3.Connection, sql: str, values: Sequence[str | int]) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = connection.execute(sql, values).fetchone()
        return row

    def is_new(self) -> bool:
        """Whether the file has no tables yet."""
        if self._connection is None:
            return False
        with explained(self.path):
            return _is_empty(self._connection)

    def truncate_wal(self) -> None:
        """Move the write-ahead log into the file and empty it, so that erased bodies do not linger there."""
        with self._lock, explained(self.path):
            if self._connection is None:
                raise Closed
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Release the connection and the lock. Closing twice is fine."""
        with self._lock:
            for connection in (self._connection, self._pinned):
                if connection is not None:
                    connection.close()
            self._connection = self._pinned = None
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None


class explained:
    """Turn the errors of SQLite and of the file system into ours, in sentences that name the file.

    A class, which enters and leaves in a third of a generator's time: every append passes it.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        match error:
            case None:
                return
            case sqlite3.Error():
                raise _translated(error, str(self._path)) from error
            case UnicodeDecodeError():
                # A damaged file can make SQLite complain in words that are not UTF-8, which Python cannot even raise.
                raise Damaged(str(self._path), "what SQLite says of it cannot be read") from error
            case OSError():
                raise _of_system(error, str(self._path)) from error


def _of_system(error: OSError, path: str) -> LedgerError:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return DiskFull(path)
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return ReadOnly(path)
        case _:
            return Unavailable(f"{path}: {error.strerror or error}")


def _translated(error: sqlite3.Error, path: str) -> LedgerError:
    # Extended codes keep the primary code in their low byte: https://www.sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match code:
        case sqlite3.SQLITE_FULL:
            return DiskFull(path)
        case sqlite3.SQLITE_READONLY:
            return ReadOnly(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Locked(path)
        case sqlite3.SQLITE_NOTADB:
            return NotALedger(path, "it is not an SQLite file")
        case sqlite3.SQLITE_CORRUPT:
            return Damaged(path, str(error))
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return Unavailable(f"{path}: cannot be opened ({error}): check that it is there and its permissions")
        case _:
            return Unavailable(f"{path}: {error}")


def _take_lock(path: Path) -> int:
    # A lock of its own beside the file: SQLite's locks come and go with every transaction.
    beside = path.with_name(path.name + ".lock")
    with explained(path):
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Locked(str(path), holder=holder) from error
    with suppress(OSError):
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
    return descriptor


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != schema.APPLICATION_ID:
        raise NotALedger(str(path), "it is another program's SQLite file, or an empty one")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > schema.FORMAT:
        raise NewerFormat(str(path), found=found, supported=schema.FORMAT)


def _open_read_only(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise NotALedger(str(path), "there is no such file")
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # On read-only media SQLite cannot make the shared memory that WAL needs. Without a log beside it, the file
        # alone is the whole truth and may be read as immutable.
        wal = path.with_name(path.name + "-wal")
        unreadable = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not unreadable or not os.access(path, os.R_OK):
            raise
        if wal.exists() and wal.stat().st_size:
            raise Unavailable(
                f"{path}: its newest records are in {wal.name}, which cannot be read where nothing can be written: "
                "copy both files to a folder of your own and read them there"
            ) from error
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        raise
    return connection
