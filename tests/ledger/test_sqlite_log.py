from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.chain import Head
from ledger.envelope import Actor, digest
from ledger.errors import Closed, Damaged, DiskFull, Locked, StaleEpoch, Unavailable, WrongVersion
from ledger.log import EventLog, Selection
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.contract.log_contract import LogContract, unchanged
from tests.ledger.making import AT, append, bare, batch, content, draft, erase

ROOT = Path(__file__).parents[2]


class TestSqliteLog(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
            yield log


class TestSqliteLogWithAllBlobsBeside(LogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT, inline_bytes_max=0)) as log:
            yield log


def open_log(path: Path) -> SqliteLog:
    return SqliteLog(path, replica="r", at=AT)


def test_reopening_goes_on(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log:
        log.open_epoch(actor=Actor(kind="user"), at=AT, reason="")
        append(log, "a", draft(), bare())
        name = log.blobs.put(b"x" * 100)
        erase(log, [3])
        before, ledger = content(log), log.ledger
    with closing(open_log(tmp_path / "l.db")) as log:
        assert (content(log), log.ledger, log.epoch, log.version("a")) == (before, ledger, 1, 2)
        with pytest.raises(StaleEpoch):
            append(log, "a", epoch=0)
        with pytest.raises(WrongVersion):
            append(log, "a", expected=0)
        append(log, "a", draft(blobs=(name,)))
        assert audit(log).valid


def test_ledgers_have_different_names(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "a.db")) as one, closing(open_log(tmp_path / "b.db")) as other:
        assert one.ledger != other.ledger
        assert len(one.ledger) == 32


def test_a_reader_sees_what_was_acknowledged(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log, closing(SqliteReader(tmp_path / "l.db")) as reader:
        for number in range(3):
            acknowledged = append(log, "a")
            assert reader.head() == acknowledged.ledger == Head(number + 2, digest(list(reader.read())[-1].header))
            assert content(reader) == content(log)


def test_a_snapshot_sees_one_state(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log:
        append(log, "a")
        with closing(SqliteReader(tmp_path / "l.db", snapshot=True)) as reader:
            before = content(reader)
            append(log, "a")
            assert content(reader) == before
            assert audit(reader).valid
        assert log.head().number == 3


def test_readers_never_disturb_the_writer(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log, closing(SqliteReader(tmp_path / "l.db")) as reader:
        append(log, "a", *[bare()] * 2_000)
        reading = reader.read()
        next(reading)
        append(log, "a", *[bare()] * 2_000)
        assert [row.seq for row in reading] == list(range(2, 2_002))


def test_a_closed_reader_lets_go(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log:
        append(log, "a")
        reader = SqliteReader(tmp_path / "l.db", snapshot=True)
        reader.close()
        reader.close()
    assert not (tmp_path / "l.db-wal").exists()


def test_a_closed_log_refuses_all_writing(tmp_path: Path) -> None:
    log = open_log(tmp_path / "l.db")
    append(log, "a")
    log.close()
    with pytest.raises(Closed):
        log.blobs.put(b"x")
    with pytest.raises(Closed):
        log.checkpoints.save("x", log.head(), b"")
    with pytest.raises(Closed):
        erase(log, [2])


def test_what_was_erased_is_nowhere(tmp_path: Path) -> None:
    secret = "correct horse battery staple"
    with closing(open_log(tmp_path / "l.db")) as log:
        append(log, "a", draft("before"), draft(secret * 500), draft(secret), draft("after"))
        assert any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())
        salt = list(log.read())[3].salt
        assert salt is not None
        erase(log, [3, 4])
        for path in tmp_path.iterdir():
            assert secret.encode() not in path.read_bytes(), path
            assert salt not in path.read_bytes(), path


def test_no_statement_reads_more_than_it_must(tmp_path: Path) -> None:
    plans = {
        Selection(stream="a"): "SEARCH segment USING PRIMARY KEY (stream=?)",
        Selection(run="a"): "SEARCH segment USING PRIMARY KEY (stream=?)",
        Selection(snapshot="a"): "SEARCH segment USING PRIMARY KEY (stream=?)",
        Selection(after=7): "SEARCH record USING INTEGER PRIMARY KEY (rowid>?)",
    }
    from ledger.sqlite_log import selected

    open_log(tmp_path / "l.db").close()
    with closing(sqlite3.connect(tmp_path / "l.db")) as connection:
        for selection, wanted in plans.items():
            source, values = selected(selection)
            plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {source} ORDER BY record.seq", values)
            looks = [row[3] for row in plan.fetchall()]
            assert any(wanted in look for look in looks), selection
            assert not [look for look in looks if look.startswith("SCAN record")], selection


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    with closing(open_log(tmp_path / "l.db")) as log:
        append(log, "a")
        _limit_pages(log, 30)
        big = "x" * 50_000
        error = _until_full(log, lambda: append(log, "a", draft(big), draft(big)))
        assert str(error) == (
            f"{tmp_path}/l.db: the disk is full; nothing was recorded. Free space on its volume, then try again"
        )
        with unchanged(log), pytest.raises(DiskFull):
            log.append_many([batch(log, "a", draft(big * 4)), batch(log, "b", draft(big * 4))])
        _until_full(log, lambda: log.blobs.put(os.urandom(30_000)))
        _limit_pages(log, 10_000)
        append(log, "a", draft(big))
        append(log, "b", draft(big))
        assert audit(log).valid
    with closing(open_log(tmp_path / "l.db")) as log:
        assert log.version("b") == 1
        assert audit(log).valid


def _until_full(log: SqliteLog, act: Callable[[], object]) -> DiskFull:
    """Do it until it fails, which changes nothing."""
    for _ in range(20):
        before = content(log)
        try:
            act()
        except DiskFull as error:
            assert content(log) == before
            return error
    raise AssertionError("the disk did not become full")


def test_a_failed_commit_is_looked_up(tmp_path: Path) -> None:
    """Nobody knows whether a commit that failed is on disk: the log asks the file."""
    path = tmp_path / "l.db"
    with closing(open_log(path)) as log:
        append(log, "a")
        real = log._file._connection
        log._file._connection = _Liar(real)  # type: ignore[assignment]
        with pytest.raises(Unavailable, match="disk I/O error"):
            append(log, "a")
        assert (log.version("a"), log.head().number) == (2, 3)
        append(log, "a")
        assert (log.version("a"), audit(log).verdict) == (3, "VALID")


class _Liar:
    """A connection that commits and then says that it could not, once."""

    def __init__(self, real: sqlite3.Connection | None) -> None:
        assert real is not None
        self._real, self._lied = real, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def execute(self, sql: str, *values: object) -> object:
        result = self._real.execute(sql, *values)  # type: ignore[arg-type]
        if sql == "COMMIT" and not self._lied:
            self._lied = True
            raise sqlite3.OperationalError("disk I/O error")
        return result


def test_a_ledger_that_lost_its_end_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with closing(open_log(path)) as log:
        append(log, "a", draft(), draft())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER record_no_delete")
        connection.execute("DELETE FROM record WHERE seq = 3")
    with pytest.raises(
        Damaged, match="it remembers 3 records, the last one there is 2; run 'stagesetctl audit verify'"
    ):
        open_log(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM head")
    with pytest.raises(Damaged, match="it does not remember its head"):
        open_log(path)
    with closing(SqliteReader(path)) as reader, pytest.raises(Damaged, match="does not remember its head"):
        audit(reader)


def _limit_pages(log: SqliteLog, pages: int) -> None:
    connection = log._file._connection
    assert connection is not None
    connection.execute(f"PRAGMA max_page_count = {pages}")


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with closing(open_log(path)) as log:
        append(log, "a")
        with pytest.raises(Locked) as caught:
            open_log(path)
        assert str(caught.value) == (
            f"{path}: another process (process {os.getpid()}) has this ledger open for writing; a ledger has one "
            "writer. Stop it first, or open the ledger read-only"
        )
        found = subprocess.run(
            [sys.executable, "-m", "tests.ledger.attempt", "append", str(path)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"Locked: {path}: another process (process {os.getpid()})" in found.stdout
        append(log, "a")
    open_log(path).close()


def test_processes_race_for_the_file(tmp_path: Path) -> None:
    names, turns = ("one", "two", "three"), 12
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ledger.contender", str(tmp_path / "l.db"), name, str(turns)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    outputs = [process.communicate()[0].split("\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    told = [line.split() for output in outputs for line in output if line and not line.startswith("refused")]
    with closing(SqliteReader(tmp_path / "l.db")) as reader:
        rows = list(reader.read())
        assert audit(reader).valid
    assert len(told) == len(rows) - 1 == len(names) * turns * 2
    assert sorted(int(number) for _, _, number, _ in told) == list(range(2, len(rows) + 1))
    assert all(digest(rows[int(seq) - 1].header) == mark for _, _, seq, mark in told)
    shared = sorted(int(version) for stream, version, _, _ in told if stream == "shared")
    assert shared == list(range(1, len(names) * turns + 1))
