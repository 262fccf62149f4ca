from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.sqlite_log import SqliteLog
from tests.ledger.command import run
from tests.ledger_demo.story import START

_SLOW = ("kubernetes", "aiohttp", "yaml", "sqlite_utils", "tabulate", "asyncio", "ledger.group_commit", "reconciler")
_PROBE = """
import sys
sys.argv[0] = "stagesetctl"
from replay.__main__ import main
try:
    main()
finally:
    print(*(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [("--help",), ("audit", "--help"), ("audit", "verify"), ("audit", "export")])
def test_the_start_imports_nothing_slow(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "empty.db"
    SqliteLog(path, replica="r", at=START).close()
    files = () if "--help" in words else (str(path),)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(names=_SLOW), *words, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(("name", "shown"), [("kubectl-stageset", "kubectl stageset"), ("stagesetctl", "stagesetctl")])
def test_it_goes_by_the_name_it_was_called(tmp_path: Path, name: str, shown: str) -> None:
    script = tmp_path / name
    script.write_text(f"#!{sys.executable}\nfrom replay.__main__ import main\nmain()\n")
    script.chmod(0o755)
    done = subprocess.run([script, "audit", "verify", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Usage: {shown} audit verify [OPTIONS] LEDGER")


def test_its_version_is_that_of_the_distribution() -> None:
    assert run("--version").stdout.startswith("stagesetctl, version ")


def test_help_names_the_exit_codes() -> None:
    for words in ((), ("audit", "verify"), ("ledger", "tail")):
        assert "Exit codes:" in run(*words, "--help").stdout


def test_completion_is_clicks_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "replay"],
        env={**os.environ, "_STAGESETCTL_COMPLETE": "bash_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_stagesetctl_completion" in done.stdout
