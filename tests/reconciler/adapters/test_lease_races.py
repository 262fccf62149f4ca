"""Thousands of seeded races for one Lease: stopped and killed processes, lost requests, lost answers, late answers.

Whatever happens, no two are leaders at one instant; and when the trouble ends, one is.
"""

from __future__ import annotations

import asyncio
import os
from random import Random

import pytest

from reconciler.adapters.lease import Terms
from tests.reconciler.adapters.candidates import LEASE, Candidate, Line, StoppableLoop, memory_cluster
from tests.simulation import virtual

TERMS = Terms(duration_s=3.0, deadline_s=2.0, retry_s=0.5)
TROUBLE_S = 25.0
SEEDS = 40_000 if os.environ.get("SOAK") else 1_000
SHARDS = 10


class Race:
    """A few candidates that come again and again, and the trouble they meet."""

    def __init__(self, seed: int, loop: StoppableLoop) -> None:
        self.rng = Random(seed)
        self.seed, self.loop = seed, loop
        self.alive: dict[str, Candidate] = {}
        self.killed: set[str] = set()
        self.terms: list[str] = []
        self.stops = 0
        loop.after = self.check

    def check(self) -> None:
        leaders = [name for name, one in self.alive.items() if one.election.valid()]
        assert len(leaders) <= 1, f"seed {self.seed}: {leaders} are leaders at {self.loop.time():.3f} s"
        if leaders and self.terms[-1:] != leaders:
            self.terms += leaders

    def line(self) -> Line:
        rng = self.rng
        if self.loop.time() > TROUBLE_S:
            return Line()
        bad = rng.choice((0.0, 0.1, 0.5))
        return Line(
            lost=bad * rng.random(),
            answer_lost=bad * rng.random(),
            refused=bad * rng.random(),
            delay_s=rng.choice((0.01, 0.3, 4.0)),
        )

    async def life(self, candidate: Candidate) -> None:
        """What a process does with an election."""
        try:
            await candidate.election.acquire()
            candidate.hold()
            patience_s = 1000 if self.loop.time() > TROUBLE_S else self.rng.expovariate(1 / 6)
            await asyncio.wait({candidate.lost}, timeout=patience_s)
        finally:
            await candidate.election.resign()

    async def slot(self, number: int) -> None:
        """One process after another."""
        cluster = self.cluster
        for start in range(1000):
            await asyncio.sleep(self.rng.random() * 2)
            name = f"candidate-{number}-{start}"
            candidate = self.alive[name] = Candidate(cluster, name, seed=self.seed, terms=TERMS, line=self.line())
            task = candidate.as_process(lambda one=candidate: self.life(one))
            trouble = asyncio.ensure_future(self.trouble(candidate, task))
            await asyncio.wait({task, trouble}, return_when=asyncio.FIRST_COMPLETED)
            trouble.cancel()
            if task.done():
                task.result()
            else:
                self.killed.add(name)
            del self.alive[name]

    async def trouble(self, candidate: Candidate, task: asyncio.Task[None]) -> None:
        """Stop and continue it for a while, then perhaps kill it; a killed process is stopped for ever."""
        rng, loop, name = self.rng, self.loop, candidate.election.identity
        while loop.time() < TROUBLE_S:
            await asyncio.sleep(rng.expovariate(1 / 3))
            candidate.api.line = self.line()
            if task.done() or loop.time() > TROUBLE_S:
                break
            loop.stop_process(name)
            self.stops += 1
            await asyncio.sleep(rng.choice((0.2, 1.9, 2.5, 3.5, 9.0)) * rng.random())
            if rng.random() < 0.2:
                return
            loop.continue_process(name)
        candidate.api.line = Line()
        await loop.create_future()

    async def run(self) -> None:
        self.cluster = await memory_cluster()
        slots = [asyncio.ensure_future(self.slot(number)) for number in range(self.rng.choice((2, 2, 3)))]
        # A Lease runs out within its duration, whoever had it; the slowest line of a dead process has 8 s of delay.
        await asyncio.sleep(TROUBLE_S + 20)
        leaders = [name for name, one in self.alive.items() if one.election.valid()]
        assert len(leaders) == 1, f"seed {self.seed}: nobody leads after the trouble: {sorted(self.alive)}"
        lease = await self.cluster.get(LEASE)
        assert lease["spec"]["holderIdentity"] == leaders[0], f"seed {self.seed}"
        assert lease["spec"]["leaseTransitions"] >= len(self.terms) - 1, f"seed {self.seed}"
        for task in slots:
            task.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        for name in list(self.loop.stopped):
            self.loop.continue_process(name)


def race(seed: int) -> Race:
    """One race, to its end."""
    loop = StoppableLoop()
    asyncio.set_event_loop(loop)
    try:
        one = Race(seed, loop)
        loop.run_until_complete(one.run())
        assert loop.bugs == [], f"seed {seed}"
        return one
    finally:
        virtual._clear(loop)
        asyncio.set_event_loop(None)
        loop.close()


@pytest.mark.parametrize("shard", [0, *(pytest.param(shard, marks=pytest.mark.slow) for shard in range(1, SHARDS))])
def test_never_two_leaders(shard):
    terms = stops = 0
    for seed in range(shard * SEEDS // SHARDS, (shard + 1) * SEEDS // SHARDS):
        one = race(seed)
        terms, stops = terms + len(one.terms), stops + one.stops
    # Else nothing was tried.
    assert terms > SEEDS / SHARDS
    assert stops > SEEDS / SHARDS
