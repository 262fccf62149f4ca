"""The conflict table on MemoryCluster, cell by cell."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.memory.cluster import MemoryCluster
from tests.contract.colliding import CUSTOM, MAKERS, define
from tests.contract.conflict_table import MEANING, TYPOS, Cell, cells, play, policies
from tests.contract.memory import MemoryBench

POLICIES = policies()


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.kind}-{cell.policy}")
def test_cell(cell: Cell) -> None:
    async def run() -> None:
        now = [1_700_000_000.0]
        cluster = MemoryCluster(lambda: now[0])
        bench = MemoryBench(cluster, cluster, now)
        await bench.start()
        if cell.kind in CUSTOM:
            await define(bench)
        outcome = await play(bench, cell.kind, POLICIES[cell.policy])
        assert outcome[:3] == MEANING[cell.expected], outcome
        if cell.expected == "fails":
            assert outcome.reason == ("Invalid" if cell.kind in TYPOS else "ImmutableField")

    asyncio.run(run())


def test_the_table_is_whole() -> None:
    found = cells()
    assert {cell.kind for cell in found} == set(MAKERS)
    assert len(found) == len(MAKERS) * len(POLICIES)
    assert {cell.policy for cell in found} == set(POLICIES)
    assert {cell.expected for cell in found} == set(MEANING)
