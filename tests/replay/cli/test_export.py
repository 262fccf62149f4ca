from __future__ import annotations

import hashlib
from pathlib import Path

import pyrage
import pytest

from ledger.envelope import Actor, decode_header
from ledger.log import Selection
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.replay import parts
from tests.replay.ledgers import command
from tests.replay.making import AT


def test_the_last_failed_run_of_a_stageset(original: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.stagereplay"
    done = command("export", "--ledger", original, "-n", "shop", "-o", target, "rel")
    assert (done.exit_code, done.stdout) == (0, f"{target}\n")
    with_reader = SqliteReader(original)
    failed = [decode_header(one.header).run for one in with_reader.read(Selection(types=("run.failed",)))]
    with_reader.close()
    assert parts.parsed(target.read_bytes()).manifest.run == failed[-1]
    others = [("shop/rel",), (), (failed[-1],)]
    for words in others:
        again = tmp_path / "again.stagereplay"
        assert command("export", "--ledger", original, "-o", again, *words).exit_code == 0
        assert again.read_bytes() == target.read_bytes()


def test_standard_output_and_the_name_of_the_run(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("export", "--ledger", original)
    name = done.stdout.strip()
    assert name.startswith("shop-rel-")
    assert name.endswith(".stagereplay")
    piped = command("export", "--ledger", original, "-o", "-")
    assert piped.stdout_bytes == Path(name).read_bytes()
    assert Path(name).stat().st_mode & 0o077 == 0


def test_it_reads_beside_a_writer_and_changes_nothing(original: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(original.read_bytes())
    writer = SqliteLog(path, replica="r", at=AT)
    try:
        before = hashlib.sha256(path.read_bytes()).digest()
        assert command("export", "--ledger", path, "-o", tmp_path / "a").exit_code == 0
        assert hashlib.sha256(path.read_bytes()).digest() == before
        writer.open_epoch(actor=Actor(kind="controller"), at=AT, reason="still mine")
        assert command("export", "--ledger", path, "-o", tmp_path / "b").exit_code == 0
    finally:
        writer.close()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nobody",), "the ledger knows no StageSet nobody in namespace default"),
        (("a/b/c-1",), "no run is called a/b/c-1"),
        (("--until", "1", "-n", "shop", "rel"), "has no record at position 1"),
        (("--until", "x"), "x"),
    ],
)
def test_wrong_usage_is_2(original: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = command("export", "--ledger", original, "-o", tmp_path / "x", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "x").exists()


def test_the_ledger_is_not_written_over(original: Path) -> None:
    done = command("export", "--ledger", original, "-o", original)
    assert done.exit_code == 2
    assert "belongs to the ledger itself" in done.stderr


def test_a_file_that_is_no_ledger_is_3(tmp_path: Path) -> None:
    assert command("export", "--ledger", tmp_path / "none", "x").exit_code == 3


def test_a_stageset_that_never_failed(tmp_path: Path) -> None:
    from tests.ledger_demo.story import START

    SqliteLog(tmp_path / "l.db", replica="r", at=START).close()
    done = command("export", "--ledger", tmp_path / "l.db")
    assert done.exit_code == 2
    assert "the ledger knows no StageSet" in done.stderr


def test_secrets_go_to_somebody_or_they_do_not_go(original: Path, tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    reader = str(identity.to_public())
    for words, says in (
        (("--include-secrets",), "--include-secrets needs --recipient"),
        (("--recipient", reader), "--recipient without --include-secrets"),
        (("--include-secrets", "--recipient", str(identity)), "an identity, which is for the reader alone"),
    ):
        done = command("export", "--ledger", original, "-o", tmp_path / "x", *words)
        assert done.exit_code == 2
        assert says in done.stderr
        assert str(identity) not in done.stderr
        assert not (tmp_path / "x").exists()
    words = ("--with-logs", "--include-secrets", "--recipient", reader, "--recipient", reader)
    assert command("export", "--ledger", original, "-o", tmp_path / "x", *words).exit_code == 0
    assert command("inspect", tmp_path / "x").exit_code == 0
