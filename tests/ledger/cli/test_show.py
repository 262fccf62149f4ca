from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from tests.ledger.command import hostile, run


def test_the_events_of_a_run(ledger: Path) -> None:
    lines = run("ledger", "show", "--run", "checkout-33", "--type", "stage.*", ledger).stdout.splitlines()
    assert [line.split()[3:5] for line in lines[1:]] == [
        ["database", "stage.started"],
        ["database", "stage.succeeded"],
        ["backend", "stage.started"],
        ["backend", "stage.failed"],
    ]
    assert lines[-1].endswith("Deployment shop/backend: 0 of 3 replicas are ready")


def test_json_is_what_an_export_writes(ledger: Path) -> None:
    words = ("--outcome", "failed", ledger)
    assert run("ledger", "show", "-o", "json", *words).stdout == run("audit", "export", *words).stdout != ""


def test_one_record_in_full(ledger: Path) -> None:
    result = run("ledger", "show", ledger, "87")
    assert result.exit_code == 0
    assert result.stdout.count("verified") == 4
    assert '"waiting": "CrashLoopBackOff"' in result.stdout
    assert "writer    stageset-controller-0, epoch 1" in result.stdout


def test_one_record_for_machines(ledger: Path) -> None:
    record = msgspec.json.decode(run("ledger", "show", "-o", "json", ledger, "87").stdout)
    assert list(record) == ["seq", "hash", "header", "body", "salt", "erased", "checks"]
    assert all(check["ok"] for check in record["checks"])


def test_an_altered_record_is_shown_and_named(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DROP TRIGGER record_no_update")
        connection.execute("UPDATE record SET body = replace(body, 'Crash', '\u001b[2J') WHERE seq = 87")
    result = run("ledger", "show", ledger, "87")
    assert result.exit_code == 1
    assert "WRONG     body: its body is not the one that its header names" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_hostile_record_cannot_steer_the_terminal(tmp_path: Path) -> None:
    shown = run("ledger", "show", hostile(tmp_path), "2").stdout
    assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_position_after_the_end_is_wrong_usage(ledger: Path) -> None:
    result = run("ledger", "show", ledger, "91")
    assert result.exit_code == 2
    assert "the ledger ends at position 90" in result.stderr


def test_one_record_takes_no_filters(ledger: Path) -> None:
    assert run("ledger", "show", "--stage", "backend", ledger, "87").exit_code == 2
