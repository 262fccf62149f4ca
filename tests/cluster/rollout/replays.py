"""Every run that the cluster tests made is decided again: a ledger in one isolated child, when its module is done."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ledger.sqlite_log import SqliteReader
from tests.counted import REPLAYED
from tests.replay.many import every_run, reproduced

_DONE: set[Path] = set()


def replay_ledgers(folder: Path) -> None:
    """Replay what controllers have left below a folder since the last time. AssertionError for a run that differs."""
    for path in sorted(set(folder.rglob("ledger.db")) - _DONE):
        _DONE.add(path)
        with closing(SqliteReader(path, snapshot=True)) as reader:
            runs = list(every_run(reader))
        if runs:
            count, facts, decisions = reproduced(str(path), runs)
            REPLAYED.update(ledgers=1, runs=count, isolated=count, facts=facts, decisions=decisions)
