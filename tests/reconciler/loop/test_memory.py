"""States from the ledger when the controller starts: all of it, or what is new since a checkpoint."""

from __future__ import annotations

import asyncio

from ledger.fold import MemoryCheckpoints
from ledger.log import EVERYTHING
from reconciler.loop.memory import Memory, StatesProjection
from reconciler.state import State
from tests.reconciler.loop.scripted import Bench
from tests.reconciler.making import STREAM, opened


class Counting:
    """A reader that counts what is read of it."""

    def __init__(self, log) -> None:
        self.log, self.read_records = log, 0

    def read(self, selection=EVERYTHING):
        for stored in self.log.read(selection):
            self.read_records += 1
            yield stored

    def __getattr__(self, name):
        return getattr(self.log, name)


def recorded() -> Bench:
    async def inside() -> Bench:
        bench = Bench()
        await bench.fact(opened("db"))
        await bench.driver.close()
        return bench

    return asyncio.run(inside())


def test_the_state_of_a_stream_is_the_fold_of_it_and_is_taken_once():
    bench = recorded()
    memory = Memory()
    assert memory.load(bench.journal.log, checkpoints=None) == bench.journal.log.head().number
    state, head = memory.take(STREAM)
    assert (state, head.number) == (bench.state, bench.state.version)
    assert head.hash.startswith("sha256:")
    fresh, nothing = memory.take(STREAM)
    assert fresh == State(stream=STREAM)
    assert nothing.number == 0
    memory.put(STREAM, state, head)
    assert memory.take(STREAM) == (state, head)


def test_the_ledgers_own_stream_is_nobodys_state():
    bench = recorded()
    memory = Memory()
    memory.load(bench.journal.log, checkpoints=None)
    assert list(memory._states) == [STREAM]


def test_with_a_checkpoint_only_what_is_new_is_read():
    bench, checkpoints = recorded(), MemoryCheckpoints()
    assert Memory().load(bench.journal.log, checkpoints=checkpoints) > 10
    reader = Counting(bench.journal.log)
    memory = Memory()
    assert memory.load(reader, checkpoints=checkpoints) == 0
    # One record, to see that the checkpoint is of this chain.
    assert reader.read_records == 1
    assert memory.take(STREAM)[0] == bench.state


def test_a_checkpoint_of_another_fold_is_not_used(monkeypatch):
    bench, checkpoints = recorded(), MemoryCheckpoints()
    first = Memory().load(bench.journal.log, checkpoints=checkpoints)
    monkeypatch.setattr(StatesProjection, "version", StatesProjection.version + 1)
    memory = Memory()
    assert memory.load(bench.journal.log, checkpoints=checkpoints) == first
    assert memory.take(STREAM)[0] == bench.state
