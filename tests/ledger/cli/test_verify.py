from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ledger.envelope import Actor
from ledger.sqlite_log import SqliteLog
from tests.ledger.command import run
from tests.ledger_demo.story import START


def _tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for trigger in ("record_no_update", "record_no_delete", "segment_no_update", "segment_no_delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            connection.execute(statement)


def test_a_whole_ledger_is_valid_in_one_line(ledger: Path) -> None:
    result = run("audit", "verify", ledger)
    assert result.exit_code == 0
    assert result.stdout.startswith("VALID  90 records, 3 streams, 8 blobs, head sha256:")
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr == ""


def test_a_machine_reads_the_same(ledger: Path) -> None:
    report = msgspec.json.decode(run("audit", "verify", "-o", "json", ledger).stdout)
    assert report.pop("head").startswith("sha256:")
    assert report == {
        "valid": True,
        "verdict": "VALID",
        "records": 90,
        "streams": 3,
        "blobs": 8,
        "seq": 0,
        "message": "",
        "erased": 0,
    }


def test_an_altered_record_is_named_and_code_1(ledger: Path) -> None:
    _tamper(ledger, "UPDATE record SET body = replace(body, '1.5.0', '1.5.1') WHERE seq = 67")
    result = run("audit", "verify", ledger)
    assert result.exit_code == 1
    assert result.stdout == "ALTERED at position 67: its body is not the one that its header names\n"
    report = msgspec.json.decode(run("audit", "verify", "-o", "json", ledger).stdout)
    assert (report["valid"], report["verdict"], report["seq"]) == (False, "ALTERED", 67)


def test_an_outside_head_proves_a_cut_end(ledger: Path, tmp_path: Path) -> None:
    head = msgspec.json.decode(run("audit", "verify", "-o", "json", ledger).stdout)["head"]
    assert run("audit", "verify", "--expect-head", f"90:{head}", ledger).exit_code == 0
    _tamper(
        ledger,
        "DELETE FROM record WHERE seq = 90",
        "UPDATE head SET seq = 89, hash = (SELECT header ->> 'gprev' FROM record WHERE seq = 89)",
    )
    with closing(sqlite3.connect(ledger)) as connection, connection:
        from ledger.envelope import digest

        last = connection.execute("SELECT header FROM record WHERE seq = 89").fetchone()[0]
        connection.execute("UPDATE head SET hash = ?", (digest(last.encode()),))
    # The segments still tell it, until they are cut as well.
    assert run("audit", "verify", ledger).stdout.startswith("TRUNCATED at position 90: ")
    _tamper(
        ledger,
        "UPDATE segment SET records = 90 - seq WHERE seq + records > 90 AND seq < 90",
        "DELETE FROM segment WHERE seq = 90",
    )
    assert run("audit", "verify", ledger).exit_code == 0
    cut = run("audit", "verify", "--expect-head", f"90:{head}", ledger)
    assert cut.exit_code == 1
    assert cut.stdout.startswith("TRUNCATED at position 90: ")


@pytest.mark.parametrize("word", ["90", "x:" + "0" * 64, "0:" + "0" * 64, "5:sha256:abc", f"5:{'g' * 64}"])
def test_a_head_that_is_none_is_wrong_usage(ledger: Path, word: str) -> None:
    assert run("audit", "verify", "--expect-head", word, ledger).exit_code == 2


def test_files_that_are_no_ledger_are_code_3(tmp_path: Path) -> None:
    text, empty, other, folder = (tmp_path / name for name in ("text", "empty", "other.db", "folder"))
    text.write_text("not a database, but long enough to be looked at as one" * 30)
    empty.touch()
    folder.mkdir()
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
    for path in (text, empty, other, folder, tmp_path / "absent"):
        result = run("audit", "verify", path)
        assert result.exit_code == 3, path
        assert result.stderr.startswith(f"Error: {path}: "), result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_newer_format_is_code_3(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version = 999")
    result = run("audit", "verify", ledger)
    assert result.exit_code == 3
    assert "use a newer stagesetctl" in result.stderr


def test_a_damaged_page_is_code_3(ledger: Path) -> None:
    content = bytearray(ledger.read_bytes())
    content[4096 * 2 : 4096 * 12] = b"\xff" * 4096 * 10
    ledger.write_bytes(content)
    result = run("audit", "verify", ledger)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"Error: {ledger}: ")


def test_a_ledger_on_read_only_media_verifies(ledger: Path, tmp_path: Path) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    copy = Path(shutil.copy(ledger, folder / "ledger.db"))
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert run("audit", "verify", copy).exit_code == 0
    finally:
        folder.chmod(0o700)


def test_a_live_ledger_verifies_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "live.db"
    log = SqliteLog(path, replica="r", at=START)

    def grow() -> None:
        log.open_epoch(actor=Actor(kind="controller"), at=START, reason="test")

    grow()
    from ledger.sqlite_log import SqliteReader

    head = SqliteReader.head

    def head_then_grow(reader: SqliteReader) -> object:
        found = head(reader)
        grow()
        return found

    # The writer commits between the reading of the head and that of the records.
    monkeypatch.setattr(SqliteReader, "head", head_then_grow)
    monkeypatch.setattr(log, "head", lambda: head(log), raising=False)
    try:
        assert run("audit", "verify", path).stdout.startswith("VALID  2 records")
    finally:
        log.close()
