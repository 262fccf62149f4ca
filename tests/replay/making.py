"""Ledgers with real runs, made by small stories of the simulation, and bundles of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache

from ledger.export.record import checked
from ledger.log import Reader, Selection
from ledger.memory_log import MemoryLog
from replay.bundle.export import Wanted, export
from tests.simulation import bases
from tests.simulation.life import finish
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World

AT = "2030-01-01T00:00:00.000Z"


def played(story: Callable[[World], object], *, seed: str = "replay") -> MemoryLog:
    """The ledger of a story on the simulation's world."""

    async def main(loop: VirtualLoop) -> MemoryLog:
        world = World(loop, seed=seed)
        await world.begin()
        await story(world)  # type: ignore[misc]
        await finish(world)
        return world.log

    return run(main)  # type: ignore[no-any-return]


@cache
def failures() -> MemoryLog:
    """A ledger in which every operation fails once."""
    return played(bases.failures)


def runs(reader: Reader) -> Iterator[tuple[str, str]]:
    """Stream and run of each run that was opened, in order."""
    for stored in reader.read(Selection(types=("run.opened",))):
        header = checked(stored).header
        yield header.stream, header.run


def bundle(reader: Reader, stream: str, run: str, *, until: int = 0) -> bytes:
    return b"".join(export(reader, Wanted(stream, run, until)))


def failed(reader: Reader) -> tuple[str, str]:
    """Stream and run of the first run that failed."""
    header = checked(next(iter(reader.read(Selection(types=("run.failed",)))))).header
    return header.stream, header.run


def opened(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
