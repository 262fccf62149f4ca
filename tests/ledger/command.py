"""Runs `stagesetctl` in this process, and makes the ledgers that the tests of its commands look into."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from ledger.envelope import Draft
from ledger.events import RunBlocked
from ledger.log import Batch
from ledger.sqlite_log import SqliteLog
from replay.__main__ import root
from tests.ledger_demo.story import START, write

HOSTILE = "\x1b[31m=cmd|' /C calc'!A0\n\u202e"
_made: dict[str, Path] = {}


def run(*words: str | Path, **settings: object) -> Result:
    """One command line; `stdout` and `stderr` apart."""
    return CliRunner().invoke(root, [str(word) for word in words], prog_name="stagesetctl", **settings)  # type: ignore[arg-type]


def story(folder: Path) -> Path:
    """A copy of the demo's ledger; it is written once."""
    if "story" not in _made or not _made["story"].exists():
        _made["story"] = folder / "original.db"
        write(_made["story"])
    return Path(shutil.copy(_made["story"], folder / "ledger.db"))


def hostile(folder: Path) -> Path:
    """A ledger with one event whose message tries everything."""
    path = folder / "hostile.db"
    log = SqliteLog(path, replica="r", at=START)
    draft = Draft(event=RunBlocked(reason="Hostile", message=HOSTILE, generation=1), run="=1+1", stage="-stage")
    log.append(Batch(stream="@stream", expected=0, epoch=log.epoch, at=START, drafts=(draft,)))
    log.close()
    return path
