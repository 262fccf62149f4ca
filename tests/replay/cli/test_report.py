from __future__ import annotations

from pathlib import Path

import pytest

from replay.errors import Escaped
from tests.replay import parts
from tests.replay.hostile import hostile
from tests.replay.ledgers import command
from tests.replay.report.reading import Read


def test_a_page_beside_where_one_stands(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("report", bundle)
    assert (done.exit_code, done.stdout) == (0, "failed.html\n"), done.stderr
    data = Path("failed.html").read_bytes()
    words = Read(data).words
    assert words.startswith("shop/rel: stage one: apply: ")
    assert "Decided again ✓ REPRODUCED " in words
    assert Path("failed.html").stat().st_mode & 0o077 == 0
    assert command("report", "-o", "-", bundle).stdout_bytes == data


def test_it_is_read_beside_another_bundle(original: Path, bundle: Path, tmp_path: Path) -> None:
    run = parts.parsed(bundle.read_bytes()).manifest.run
    other = tmp_path / "other.stagereplay"
    first = _runs(original)[0]
    assert first != run
    assert command("export", "--ledger", original, "-o", other, first).exit_code == 0
    done = command("report", "-o", "-", "--against", other, bundle)
    assert done.exit_code == 0, done.stderr
    assert f"run {first} (the other bundle)" in Read(done.stdout_bytes).words


def _runs(ledger: Path) -> list[str]:
    from contextlib import closing

    from ledger.sqlite_log import SqliteReader
    from tests.replay.making import runs

    with closing(SqliteReader(ledger)) as reader:
        return [run for _, run in runs(reader)]


def test_a_replay_that_fails_does_not_keep_the_report_back(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from replay.cli import report

    def escaped(path: Path) -> None:
        raise Escaped(f"{path}: <b>it broke out</b>")

    monkeypatch.setattr(report, "ask", escaped)
    done = command("report", "-o", "-", bundle)
    assert done.exit_code == 0, done.stderr
    assert "it was not: " in Read(done.stdout_bytes).words
    assert "<b>" not in done.stdout


def test_a_hostile_bundle_is_told_as_text(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "hostile.stagereplay"
    path.write_bytes(hostile(bundle.read_bytes()))
    done = command("report", "-o", "-", path)
    assert done.exit_code == 0, done.stderr
    assert "✗ DIVERGED" in Read(done.stdout_bytes).words
    assert "<script" not in done.stdout


def test_the_bundle_is_not_written_over(bundle: Path) -> None:
    done = command("report", "-o", bundle, bundle)
    assert done.exit_code == 2
    assert "is the bundle itself" in done.stderr


def test_what_cannot_be_read_is_3(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(bundle.read_bytes()[:-1])
    for words in ((tmp_path / "cut",), (tmp_path / "none",), ("--against", tmp_path / "cut", bundle)):
        done = command("report", "-o", tmp_path / "x.html", *words)
        assert done.exit_code == 3, done.output
        assert len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "x.html").exists()
