"""Runs what docs/how-to/ledger.md shows, in the order of the page, on a copy of the demo's ledger."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ledger.command import run, story

PAGE = Path(__file__).parents[2] / "docs/how-to/ledger.md"
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _steps() -> list[tuple[str, str]]:
    steps: list[tuple[str, str]] = []
    for kind, text in _BLOCK.findall(PAGE.read_text()):
        if kind == "python":
            steps.append((kind, text))
        else:
            assert all(line.startswith("$ ") for line in text.splitlines()), text
            steps += [(kind, line.removeprefix("$ ")) for line in text.splitlines()]
    return steps


def _needed(command: str) -> list[str]:
    return [tool for tool in ("jq", "sqlite3") if re.search(rf"(^|\| ){tool} ", command)]


def test_everything_that_the_page_shows_works(tmp_path: Path) -> None:
    ledger = story(tmp_path)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(PAGE.parents[2])}
    skipped = ""
    for kind, text in _steps():
        if any(shutil.which(tool, path=path) is None for tool in _needed(text)):
            # Not ours and not everywhere; what follows from it is left out too.
            skipped = text
            continue
        if skipped and ("noted-head" in text or "backup.db" in text):
            continue
        command = ["bash", "-ec", text] if kind == "console" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        if "query" in text:
            assert len(done.stdout.splitlines()) > 2, text
    result = run("audit", "verify", ledger)
    assert result.stdout.startswith("VALID  91 records")
    assert "1 body erased on order" in result.stdout


@pytest.mark.parametrize("word", ["ALTERED", "MISSING", "REORDERED", "GAP", "TRUNCATED", "UNREADABLE"])
def test_every_class_of_the_audit_is_explained(word: str) -> None:
    source = (PAGE.parents[2] / "ledger/audit.py").read_text()
    assert f'"{word}"' in source
    assert f"| `{word}` |" in PAGE.read_text()


def test_every_table_is_named(tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(story(tmp_path))
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    assert sorted(
        re.findall(r"^\| `(\w+)` \| .*$", PAGE.read_text().split("The tables behind")[1].split("##")[0], re.MULTILINE)
    ) == sorted(names)
