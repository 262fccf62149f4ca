"""Turns: few at once, one at a time for each, none lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from reconciler.adapters.projector_turns import Turns


class Bench:
    def __init__(self) -> None:
        self.taken: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.pauses: list[float] = [0.0] * 100
        self.slept: list[float] = []
        self.awake = asyncio.Event()
        self.turns: Turns[str] = Turns(self.take, at_once=2, sleep=self.sleep)

    async def take(self, one: str) -> float:
        self.taken.append(one)
        await self.gates.setdefault(one, asyncio.Event()).wait()
        return self.pauses.pop(0)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.awake.wait()

    async def open(self, *names: str) -> None:
        for name in names:
            self.gates.setdefault(name, asyncio.Event()).set()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def inside() -> None:
        await test(Bench())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_a_few_at_once_and_who_waits_has_no_task() -> None:
    async def test(bench: Bench) -> None:
        for name in "abcda":
            bench.turns.ask(name)
        await settled()
        assert bench.taken == ["a", "b"]
        assert len(asyncio.all_tasks()) == 3
        await bench.open(*"abcd")
        # The second asking of one whose turn it was is another turn, after those who wait.
        assert bench.taken == ["a", "b", "c", "d", "a"]

    run(test)


def test_what_is_asked_for_often_meanwhile_is_one_more_turn() -> None:
    async def test(bench: Bench) -> None:
        bench.turns.ask("a")
        await settled()
        for _ in range(5):
            bench.turns.ask("a")
        await bench.open("a")
        assert bench.taken == ["a", "a"]

    run(test)


def test_a_failure_pauses_without_keeping_a_place() -> None:
    async def test(bench: Bench) -> None:
        bench.pauses = [2.0, 0.0, 0.0, 0.0]
        await bench.open(*"abc")
        bench.turns.ask("a")
        await settled()
        for name in "abc":
            bench.turns.ask(name)
        await settled()
        assert (bench.taken, bench.slept) == (["a", "b", "c"], [2.0])
        bench.awake.set()
        await settled()
        assert bench.taken == ["a", "b", "c", "a"]

    run(test)


def test_who_is_forgotten_gets_no_turn_and_gives_up_its_place() -> None:
    async def test(bench: Bench) -> None:
        for name in "abcd":
            bench.turns.ask(name)
        await settled()
        bench.turns.ask("a")
        bench.turns.forget("a")
        bench.turns.forget("d")
        await bench.open(*"abcd")
        assert bench.taken == ["a", "b", "c"]
        bench.pauses = [2.0]
        bench.turns.ask("e")
        await bench.open("e")
        bench.turns.forget("e")
        await settled()

    run(test)


def test_who_is_forgotten_and_asked_for_again_gets_a_turn_of_its_own() -> None:
    async def test(bench: Bench) -> None:
        bench.turns.ask("a")
        await settled()
        bench.turns.forget("a")
        bench.turns.ask("a")
        await settled()
        bench.turns.ask("a")
        await bench.open("a")
        assert bench.taken == ["a", "a", "a"]

    run(test)


def test_closing_gives_everybody_a_last_turn() -> None:
    async def test(bench: Bench) -> None:
        bench.pauses = [2.0] * 10
        await bench.open(*"abcd")
        bench.turns.ask("a")
        await settled()
        for name in "bcd":
            bench.turns.ask(name)
        await bench.turns.close()
        assert sorted(bench.taken) == ["a", "a", "b", "c", "d"]
        assert bench.slept == [2.0]

    run(test)


def test_tenants_take_turns() -> None:
    async def test(bench: Bench) -> None:
        bench.turns = Turns(bench.take, at_once=2, sleep=bench.sleep, tenant=lambda name: name[0])
        for name in ("a1", "a2", "a3", "a4", "b1", "c1"):
            bench.turns.ask(name)
        await settled()
        await bench.open("a1")
        # Both of the first were of a; what becomes free goes to those who have none.
        assert bench.taken == ["a1", "a2", "b1"]
        bench.turns.forget("a2")
        await settled()
        assert bench.taken[3:] == ["c1"]
        await bench.open("b1", "c1", "a3", "a4")
        assert bench.taken[4:] == ["a3", "a4"]

    run(test)
