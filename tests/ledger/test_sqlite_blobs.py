from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ledger.envelope import Packed, digest
from ledger.errors import BlobDamaged, BlobMissing, BlobTooLarge, DiskFull, Unavailable
from ledger.sqlite_blobs import INLINE_BYTES_MAX
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "l.db"


@pytest.fixture
def log(path: Path) -> Iterator[SqliteLog]:
    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        yield log


def beside(path: Path) -> list[Path]:
    folder = path.with_name("l.db.blobs")
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_small_ones_are_in_the_file(log: SqliteLog, path: Path) -> None:
    data = os.urandom(INLINE_BYTES_MAX - 200)
    name = log.blobs.put(data)
    assert not log.blobs.folder.exists()
    with closing(SqliteReader(path)) as reader:
        assert reader.blobs.get(name) == data


def test_large_ones_are_beside_it(log: SqliteLog, path: Path) -> None:
    data = os.urandom(INLINE_BYTES_MAX * 3)
    name = log.blobs.put(data[start : start + 1_000] for start in range(0, len(data), 1_000))
    (file,) = beside(path)
    assert file.relative_to(log.blobs.folder).as_posix() == f"{name[7:9]}/{name[7:]}.zst"
    assert log.blobs.folder.stat().st_mode & 0o077 == 0
    with closing(SqliteReader(path)) as reader:
        assert reader.blobs.get(name) == data
    file.unlink()
    assert not log.blobs.has(name)
    with pytest.raises(BlobMissing, match=name):
        log.blobs.get(name)
    # Storing it again mends it.
    assert log.blobs.put(data) == name
    assert log.blobs.get(name) == data


def test_storing_again_mends_a_damaged_one(log: SqliteLog, path: Path) -> None:
    large, small = os.urandom(INLINE_BYTES_MAX * 2), b"small"
    names = [log.blobs.put(data) for data in (large, small)]
    beside(path)[0].write_bytes(b"noise")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE blob SET data = x'00' WHERE data IS NOT NULL")
    for name in names:
        with pytest.raises(BlobDamaged, match=name):
            log.blobs.get(name)
    for name, data in zip(names, (large, small), strict=True):
        assert log.blobs.put(data) == name
        assert log.blobs.get(name) == data


def test_what_is_stored_is_not_stored_twice(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.sqlite_blobs._KEPT_MAX", 2)
    inserted: list[str] = []
    insert = log.blobs.insert

    def counted(connection: sqlite3.Connection, blobs: Sequence[Packed]) -> None:
        inserted.extend(blob.digest for blob in blobs)
        insert(connection, blobs)

    monkeypatch.setattr(log.blobs, "insert", counted)
    names = [log.blobs.put(data) for data in (b"1", b"2", b"2", b"1", b"3", b"2", b"1")]
    # The first one was forgotten when the third came: it is stored again, no more than that.
    assert inserted == [names[0], names[1], names[4], names[0]]
    assert [log.blobs.get(name) for name in names] == [b"1", b"2", b"2", b"1", b"3", b"2", b"1"]
    with pytest.raises(BlobTooLarge):
        log.blobs.put(b"12", limit_bytes=1)


def test_nothing_is_left_of_what_failed(log: SqliteLog, path: Path) -> None:
    class Stop(Exception):
        pass

    def chunks() -> Iterator[bytes]:
        yield os.urandom(INLINE_BYTES_MAX * 2)
        raise Stop

    with pytest.raises(Stop):
        log.blobs.put(chunks())
    assert beside(path) == []
    assert list(log.blobs.digests()) == []


@pytest.mark.parametrize("failing", ["os.fsync", "os.replace", "ledger.sqlite_blobs._sync_folder"])
def test_a_full_disk(log: SqliteLog, path: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(failing, full)
    with pytest.raises(DiskFull, match=r"l\.db\.blobs: the disk is full"):
        log.blobs.put(os.urandom(INLINE_BYTES_MAX * 2))
    monkeypatch.undo()
    assert not [file for file in beside(path) if file.name.startswith("tmp-")]
    assert list(log.blobs.digests()) == []


def test_a_file_that_cannot_be_read(log: SqliteLog, path: Path) -> None:
    name = log.blobs.put(os.urandom(INLINE_BYTES_MAX * 2))
    (file,) = beside(path)
    file.unlink()
    file.mkdir()
    assert not log.blobs.has(name)
    with pytest.raises(Unavailable, match="Is a directory"):
        log.blobs.get(name)


def test_the_file_is_there_before_its_row(log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(INLINE_BYTES_MAX * 2)
    monkeypatch.setattr(log.blobs, "insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        log.blobs.put(data)
    assert [file.name for file in beside(path)] == [f"{digest(data)[7:]}.zst"]
    assert not log.blobs.has(digest(data))
