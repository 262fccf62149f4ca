"""The start of command lines, as whole processes: ours against a click program that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.row import Named, Row, row
from tests.bench.sample import open_log

_ROUNDS = 25
_WARM = 3
_BARE = """\
#!{python}
import click

@click.group()
def main():
    "A group."

@main.command()
def work():
    "Does nothing."

main()
"""
# What an installer writes for a console script.
_OURS = """\
#!{python}
import sys
from replay.__main__ import main
sys.exit(main())
"""
HELP = Named(name="stagesetctl --help", unit="ms", against="a bare click program's --help", target=1.6, bound="at most")
VERIFY = Named(
    name="stagesetctl audit verify, empty ledger",
    unit="ms",
    against="a bare click program's command",
    target=1.6,
    bound="at most",
)


def starting(folder: Path) -> list[Row]:
    # Installed programs are compiled; a checkout may not be. Both are compiled here, by the rounds that warm up.
    compiled = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    compiled["PYTHONPYCACHEPREFIX"] = str((folder / "compiled").absolute())
    bare, ours, empty = _script(folder / "bare", _BARE), _script(folder / "stagesetctl", _OURS), folder / "empty.db"
    if not empty.exists():
        open_log(empty).close()
    words: list[list[str | Path]] = [
        [bare, "--help"],
        [ours, "--help"],
        [bare, "work"],
        [ours, "audit", "verify", empty],
    ]
    rounds = [[_ms(line, compiled) for line in words] for _ in range(_ROUNDS + _WARM)][_WARM:]
    bare_help, our_help, bare_work, our_verify = zip(*rounds, strict=True)
    return [row(HELP, our_help, bare_help), row(VERIFY, our_verify, bare_work)]


def _script(path: Path, text: str) -> Path:
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return path.absolute()


def _ms(words: list[str | Path], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, env=environment, check=True)
    return (time.perf_counter() - start) * 1_000
