from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cli import listing
from ledger.log import Selection
from ledger.sqlite_log import SqliteReader
from tests.ledger.command import hostile, run


def test_a_list_printed_in_parts_is_the_list(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = SqliteReader(ledger)
    listing.Listing("json", chosen=Selection()).show(reader.read())
    whole = capsys.readouterr().out
    monkeypatch.setattr(listing, "_ROWS_AT_ONCE", 7)
    listing.Listing("json", chosen=Selection()).show(reader.read())
    assert capsys.readouterr().out == whole
    listing.Listing("text", chosen=Selection()).show(reader.read())
    assert len(capsys.readouterr().out.splitlines()) == 91


def test_a_stream_that_was_asked_for_is_not_repeated(ledger: Path) -> None:
    assert "STREAM" in run("ledger", "show", ledger).stdout.splitlines()[0]
    assert "STREAM" not in run("ledger", "show", "--run", "checkout-33", ledger).stdout.splitlines()[0]


def test_text_cannot_steer_the_terminal(tmp_path: Path) -> None:
    shown = run("ledger", "show", hostile(tmp_path)).stdout
    assert "\\x1b[31m=cmd|' /C calc'!A0\\n\\u202e" in shown
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) == 3
