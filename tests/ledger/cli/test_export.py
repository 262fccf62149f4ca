from __future__ import annotations

import csv
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ledger.export.spreadsheet import COLUMNS
from tests.ledger.command import run
from tests.ledger_demo.story import STREAM


def _seqs(*words: str | Path) -> list[int]:
    result = run("audit", "export", *words)
    assert result.exit_code == 0, result.stderr
    return [msgspec.json.decode(line)["seq"] for line in result.stdout.splitlines()]


def _sql(ledger: Path, where: str) -> list[int]:
    with closing(sqlite3.connect(ledger)) as connection:
        return [seq for (seq,) in connection.execute(f"SELECT seq FROM event WHERE {where} ORDER BY seq")]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        ((), "true"),
        (("--outcome", "failed"), "outcome = 'failed'"),
        (("--stage", "backend", "--type", "verify.*"), "stage = 'backend' AND type LIKE 'verify.%'"),
        (("--run", "checkout-33"), "run = 'checkout-33'"),
        (("--stream", STREAM), f"stream = '{STREAM}'"),
        (("--stream", "shop/*"), "stream LIKE 'shop/%'"),
        (("--since", "2030-01-31T12:00:45Z"), "at >= '2030-01-31T12:00:45.000Z'"),
        (("--until", "2030-01-31T13:00:45+01:00"), "at < '2030-01-31T12:00:45.000Z'"),
        (("--type", "run.opened", "--type", "run.failed"), "type IN ('run.opened', 'run.failed')"),
    ],
)
def test_filters_choose_what_sql_would(ledger: Path, words: tuple[str, ...], where: str) -> None:
    expected = _sql(ledger, where)
    assert expected
    assert _seqs(*words, ledger) == expected


def test_a_snapshot_is_a_filter(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        snapshot = connection.execute("SELECT snapshot FROM event WHERE run = 'checkout-33'").fetchone()[0]
    assert _seqs("--snapshot", snapshot, ledger) == _sql(ledger, f"snapshot = '{snapshot}'")


@pytest.mark.parametrize("form", ["jsonl", "csv", "cloudevents"])
def test_a_file_holds_what_standard_output_would(ledger: Path, tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    target.write_text("older")
    assert run("audit", "export", "--format", form, "--output", target, ledger).exit_code == 0
    assert target.read_bytes() == run("audit", "export", "--format", form, ledger).stdout_bytes
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


def test_the_csv_has_a_line_for_each_record(ledger: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    run("audit", "export", "--format", "csv", "--output", target, ledger)
    with target.open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row[0]) for row in rows[1:]] == _sql(ledger, "true")


def test_an_altered_record_leaves_no_file(ledger: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DROP TRIGGER record_no_update")
        connection.execute("UPDATE record SET body = replace(body, '1.5.0', '1.5.1') WHERE seq = 67")
    target = tmp_path / "out.jsonl"
    result = run("audit", "export", "--output", target, ledger)
    assert result.exit_code == 3
    assert "ALTERED at position 67" in result.stderr
    assert not target.exists()
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


@pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
def test_the_ledger_is_never_the_target(ledger: Path, suffix: str) -> None:
    before = ledger.read_bytes()
    alias = ledger.parent / "alias"
    os.symlink(f"{ledger}{suffix}", alias)
    assert run("audit", "export", "--output", alias, ledger).exit_code == 2
    assert ledger.read_bytes() == before


def test_a_folder_that_is_not_there_is_code_3(ledger: Path, tmp_path: Path) -> None:
    result = run("audit", "export", "--output", tmp_path / "absent" / "out", ledger)
    assert result.exit_code == 3
    assert "cannot be written" in result.stderr
