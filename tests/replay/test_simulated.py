"""Every run that the simulation produces is exported, replayed and reproduced; the count is printed.

In this process for the many; some of each seed in an isolated child.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

from ledger.memory_log import MemoryLog
from replay.checking import check
from replay.isolation.parent import ask
from tests.counted import REPLAYED
from tests.replay import making
from tests.simulation import bases
from tests.simulation.life import _life
from tests.simulation.scenario import chances_of
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

SEEDS = range(1, int(os.environ.get("REPLAY_SEEDS", "8")) + 1)
#: Of so many runs one is replayed in a child too.
ISOLATED_EVERY = 40
TOTALS = REPLAYED


def ledgers() -> Iterator[tuple[str, MemoryLog]]:
    for name, story in bases.BASES.items():
        yield name, making.played(story, seed=f"base/{name}")
    for seed in SEEDS:
        yield f"seed {seed}", lived(seed)


def lived(seed: int) -> MemoryLog:
    """The ledger of a random life, as `tests.simulation.life.live` runs it."""

    async def main(loop: VirtualLoop) -> MemoryLog:
        rng = Random(f"{seed}/world")
        world = World(loop, seed=seed, chances=chances_of(rng))
        for _ in range(rng.choice([0, 1, 2, 4])):
            world.crash_at.add(rng.randint(1, 400))
        await _life(world, rng)
        return world.log

    return run(main)  # type: ignore[no-any-return]


def reproduced(name: str, log: MemoryLog, folder: Path) -> None:
    for stream, run_id in making.runs(log):
        data = making.bundle(log, stream, run_id)
        verdict = check(io.BytesIO(data))
        assert verdict.verdict == "REPRODUCED", (name, run_id, verdict.divergence)
        TOTALS.update(runs=1, facts=verdict.facts, decisions=verdict.decisions, bytes=len(data))
        if TOTALS["runs"] % ISOLATED_EVERY == 1:
            path = folder / "one.stagereplay"
            path.write_bytes(data)
            assert ask(path).verdict == verdict, (name, run_id)
            TOTALS.update(isolated=1)


def test_every_run_of_the_simulation_is_reproduced(tmp_path: Path) -> None:
    for name, log in ledgers():
        TOTALS.update(ledgers=1)
        reproduced(name, log, tmp_path)
    assert TOTALS["runs"] > 50
