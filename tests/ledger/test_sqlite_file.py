"""What can be wrong with a file, and what is said of it. Nothing that was there is changed."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.errors import (
    Closed,
    Damaged,
    DiskFull,
    LedgerError,
    Locked,
    NewerFormat,
    NotALedger,
    ReadOnly,
    Unavailable,
)
from ledger.sqlite_file import SqliteFile, explained
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, append, content, draft

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
        append(log, "a", draft(), draft())
    return tmp_path / "l.db"


def attempt(what: str, path: Path, *options: str) -> str:
    """Try something in another process, as somebody without root's powers."""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.ledger.attempt", what, str(path), *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stderr == ""
    return found.stdout.strip()


def open_log(path: Path) -> None:
    SqliteLog(path, replica="r", at=AT).close()


def open_reader(path: Path) -> None:
    SqliteReader(path).close()


BOTH = pytest.mark.parametrize("opening", [open_log, open_reader])


# ── not a ledger ─────────────────────────────────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("text", ["notes", "a longer text " * 1_000])
def test_a_text_file(tmp_path: Path, opening: Callable[[Path], None], text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(NotALedger) as caught:
        opening(path)
    assert str(caught.value) == f"{path}: not a ledger: it is not an SQLite file"
    assert path.read_text() == text


@BOTH
def test_another_programs_file(tmp_path: Path, opening: Callable[[Path], None]) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE record (seq INTEGER)")
    before = path.read_bytes()
    with pytest.raises(NotALedger, match=f"^{path}: not a ledger: it is another program's SQLite file"):
        opening(path)
    assert path.read_bytes() == before


@BOTH
def test_a_folder(tmp_path: Path, opening: Callable[[Path], None]) -> None:
    with pytest.raises(NotALedger, match=f"^{tmp_path}: not a ledger: it is a folder$"):
        opening(tmp_path)
    assert not tmp_path.with_name(tmp_path.name + ".lock").exists()


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    path.touch()
    with pytest.raises(NotALedger, match=f"^{path}: not a ledger: .*or an empty one$"):
        open_reader(path)
    assert path.stat().st_size == 0
    open_log(path)
    open_reader(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotALedger, match=f"^{tmp_path}/l.db: not a ledger: there is no such file$"):
        open_reader(tmp_path / "l.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable, match=f"^{tmp_path}/none/l.db: No such file or directory$"):
        open_log(tmp_path / "none" / "l.db")


@BOTH
def test_a_file_of_a_newer_version(path: Path, opening: Callable[[Path], None]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(NewerFormat) as caught:
        opening(path)
    assert str(caught.value) == (
        f"{path}: written in ledger format 2, this version reads up to 1: use a newer stagesetctl"
    )
    assert (caught.value.found, caught.value.supported) == (2, 1)
    assert path.read_bytes() == before


def test_a_file_that_lost_its_records(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER record_no_delete")
        connection.execute("DELETE FROM record")
    with pytest.raises(NotALedger, match="it has no records"):
        open_log(path)
    with closing(SqliteReader(path)) as reader:
        assert audit(reader).verdict == "TRUNCATED"


@BOTH
def test_a_damaged_file(path: Path, opening: Callable[[Path], None]) -> None:
    data = bytearray(path.read_bytes())
    data[100:] = b"\xee" * (len(data) - 100)
    path.write_bytes(data)
    with pytest.raises(Damaged, match=f"^{path}: the file is damaged .*keep a copy of it, then restore a backup"):
        opening(path)
    assert path.read_bytes() == data


# ── one writer ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_lock_is_let_go(path: Path, tmp_path: Path) -> None:
    file = SqliteFile(path, writable=True)
    with pytest.raises(Locked, match=f"another process .process {os.getpid()}. has this ledger open"):
        SqliteFile(path, writable=True)
    file.close()
    file.close()
    SqliteFile(path, writable=True).close()
    # Opening that fails lets go as well.
    (tmp_path / "x.db").write_text("text")
    for _ in range(2):
        with pytest.raises(NotALedger):
            open_log(tmp_path / "x.db")


def test_a_foreign_write_lock(path: Path) -> None:
    """Somebody holds SQLite's own lock, without the lock beside the file."""
    with closing(SqliteLog(path, replica="r", at=AT)) as log, closing(sqlite3.connect(path)) as other:
        assert log._file._connection is not None
        log._file._connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        before = content(log)
        with pytest.raises(Locked, match="another process has this ledger open"):
            append(log, "a")
        other.execute("ROLLBACK")
        assert content(log) == before
        append(log, "a")


def test_a_closed_file(path: Path) -> None:
    file = SqliteFile(path, writable=True)
    file.close()
    for use in (file.exclusive, file.transaction):
        with pytest.raises(Closed), use():
            raise AssertionError
    with pytest.raises(Closed):
        file.truncate_wal()
    assert not file.is_new()


def test_a_transaction_that_raises_is_undone(path: Path) -> None:
    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        before = content(log)

        def interrupted() -> None:
            with log._file.transaction() as connection:
                connection.execute("INSERT INTO blob VALUES ('x', 1, 'y', NULL)")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert content(log) == before
        append(log, "a")


def test_durability_is_asked_for(path: Path) -> None:
    with closing(SqliteFile(path, writable=True)) as file:
        assert file.one("PRAGMA synchronous") == (2,)
        assert file.one("PRAGMA journal_mode") == ("wal",)
        assert file.one("PRAGMA secure_delete") == (1,)


# ── read-only ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_read_only_file(path: Path) -> None:
    path.chmod(0o400)
    before = path.read_bytes()
    assert attempt("append", path, "--powerless") == (
        f"ReadOnly: {path}: cannot be written: the file, its folder or the volume is read-only"
    )
    assert attempt("read", path, "--powerless") == "VALID 3"
    assert path.read_bytes() == before


def test_a_read_only_folder(path: Path, tmp_path: Path) -> None:
    names = sorted(os.listdir(tmp_path))
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert attempt("append", path, "--powerless").startswith(f"ReadOnly: {path}: cannot be written")
        assert attempt("append", tmp_path / "new.db", "--powerless").startswith(f"ReadOnly: {tmp_path}/new.db:")
        # Nothing beside the file can be made there: it is read as it is.
        assert attempt("read", path, "--powerless") == "VALID 3"
        assert sorted(os.listdir(tmp_path)) == names
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_folder_with_a_log(path: Path, tmp_path: Path) -> None:
    """The newest records are only in the write-ahead log: reading the file alone would hide them."""
    folder = tmp_path / "copy"
    folder.mkdir()
    copy = folder / "l.db"
    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        append(log, "a")
        copy.write_bytes(path.read_bytes())
        copy.with_name("l.db-wal").write_bytes(path.with_name("l.db-wal").read_bytes())
    folder.chmod(0o500)
    try:
        assert attempt("read", copy, "--powerless") == (
            f"Unavailable: {copy}: its newest records are in l.db-wal, which cannot be read where nothing can be "
            "written: copy both files to a folder of your own and read them there"
        )
    finally:
        folder.chmod(0o700)
    assert attempt("read", copy, "--powerless") == "VALID 4"


def test_an_unreadable_file(path: Path) -> None:
    path.chmod(0)
    for what in ("append", "read"):
        assert attempt(what, path, "--powerless") == (
            f"Unavailable: {path}: cannot be opened (unable to open database file): check that it is there and its "
            "permissions"
        )


# ── no space ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("what", ["append", "blob"])
def test_files_must_not_grow(path: Path, what: str) -> None:
    found = attempt(what, path, "--file-bytes-max", "200000")
    assert found.startswith((f"Unavailable: {path}", f"DiskFull: {path}")), found
    with closing(SqliteReader(path)) as reader:
        assert audit(reader).valid
        # `attempt` appended once more when it was allowed to again.
        assert reader.head().number >= 4
        assert len(list(reader.blobs.digests())) == 1
    folder = path.with_name("l.db.blobs")
    assert len(list(folder.rglob("*.zst"))) == 1
    assert not list(folder.rglob("tmp-*"))


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EROFS, ReadOnly),
        (errno.EACCES, ReadOnly),
        (errno.EPERM, ReadOnly),
        (errno.EIO, Unavailable),
    ],
)
def test_errors_of_the_system(code: int, wanted: type[LedgerError]) -> None:
    with pytest.raises(wanted) as caught, explained(Path("/x/l.db")):
        raise OSError(code, os.strerror(code))
    assert type(caught.value) is wanted
    assert str(caught.value).startswith("/x/l.db: ")


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_READONLY_DBMOVED, ReadOnly),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Locked),
        (sqlite3.SQLITE_LOCKED, Locked),
        (sqlite3.SQLITE_NOTADB, NotALedger),
        (sqlite3.SQLITE_CORRUPT_INDEX, Damaged),
        (sqlite3.SQLITE_CANTOPEN, Unavailable),
        (sqlite3.SQLITE_PERM, Unavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, Unavailable),
        (sqlite3.SQLITE_NOMEM, Unavailable),
    ],
)
def test_errors_of_sqlite(code: int, wanted: type[LedgerError]) -> None:
    error = sqlite3.OperationalError("it says so")
    error.sqlite_errorcode = code
    with pytest.raises(wanted) as caught, explained(Path("/x/l.db")):
        raise error
    assert type(caught.value) is wanted
    assert str(caught.value).startswith("/x/l.db: ")
