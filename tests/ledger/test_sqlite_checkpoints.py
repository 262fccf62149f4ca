from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ledger.chain import Head
from ledger.sqlite_log import SqliteLog
from tests.ledger.making import AT, SHA

OTHER = "sha256:" + "b" * 64


def test_the_last_one_of_a_name_stays(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
        assert log.checkpoints.load("a") is None
        log.checkpoints.save("a", Head(1, SHA), b"one")
        log.checkpoints.save("a", Head(2, OTHER), b"two")
        log.checkpoints.save("b", Head(3, ""), b"")
        assert log.checkpoints.load("a") == (Head(2, OTHER), b"two")
    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
        assert log.checkpoints.load("a") == (Head(2, OTHER), b"two")
        assert log.checkpoints.load("b") == (Head(3, ""), b"")
