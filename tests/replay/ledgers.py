"""Ledger files with real runs, for the commands."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from ledger.sqlite_log import SqliteLog
from replay.__main__ import root
from tests.simulation import bases
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World


def ledger(folder: Path) -> Path:
    """A ledger in which StageSet shop/rel fails in every operation once."""
    path = folder / "ledger.db"

    async def main(loop: VirtualLoop) -> None:
        world = World(loop, seed="replay")
        world.log = SqliteLog(path, replica="simulated", at=world.now_text())  # type: ignore[assignment]
        await world.begin()
        await bases.failures(world)
        await world.end()
        world.log.close()

    run(main)
    return path


def command(*words: str | Path) -> Result:
    """`stagesetctl replay …` in this process."""
    return CliRunner().invoke(root, ["replay", *(str(word) for word in words)], prog_name="stagesetctl")
