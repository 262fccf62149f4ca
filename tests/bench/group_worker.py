"""32 tasks that append to different streams through GroupCommit, in turn with the disk. Prints its figures as JSON.

A process of its own, so that its syncs can be slowed from outside.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from ledger.group_commit import GroupCommit
from ledger.log import Batch
from tests.bench.disk import Disk
from tests.bench.sample import AT, VERIFIED, open_log

TASKS = 32
_ROUNDS = 5
_EACH = 60
_TICK_S = 0.001


class Figures(msgspec.Struct):
    """Rates of each round, and the event loop's lag over all of them."""

    appends: list[float]
    syncs: list[float]
    lag_p99_ms: list[float]


async def _task(group: GroupCommit, stream: str, *, first: int) -> None:
    for expected in range(first, first + _EACH):
        batch = Batch(stream=stream, expected=expected, epoch=group.log.epoch, at=AT, drafts=(VERIFIED,))
        appended = await group.append(batch)
        assert appended.first_version == expected + 1


async def _lags(found: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(_TICK_S)
        found.append((loop.time() - before - _TICK_S) * 1_000)


async def _round(group: GroupCommit, number: int) -> tuple[float, float]:
    lags: list[float] = []
    watch = asyncio.create_task(_lags(lags))
    start = time.perf_counter()
    await asyncio.gather(*(_task(group, f"shop/{i}", first=number * _EACH) for i in range(TASKS)))
    speed = TASKS * _EACH / (time.perf_counter() - start)
    watch.cancel()
    return speed, sorted(lags)[int(len(lags) * 0.99)]


async def _main(folder: Path) -> Figures:
    log, disk, figures = open_log(folder / "group.db"), Disk(folder / "group.pages"), Figures([], [], [])
    group = GroupCommit(log)
    for number in range(_ROUNDS + 1):
        speed, lag = await _round(group, number)
        syncs = disk.rate(150)
        if number:
            figures.appends.append(speed)
            figures.syncs.append(syncs)
            figures.lag_p99_ms.append(lag)
    await group.close()
    assert all(log.version(f"shop/{i}") == (_ROUNDS + 1) * _EACH for i in range(TASKS))
    log.close()
    disk.close()
    return figures


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(_main(Path(sys.argv[1])))))
