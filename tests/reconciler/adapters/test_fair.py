"""Turns by tenant: few at once, nobody forgotten, a thousand of one in the way of nobody."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.adapters import fair
from reconciler.adapters.fair import FairLine, FairSlots, working_for


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def order(line: FairLine[str]) -> list[str]:
    """Who comes, when each is done before the next one's turn."""
    found = []
    while (taken := line.take()) is not None:
        tenant, one = taken
        found.append(one)
        line.done(tenant)
    return found


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tenants_take_turns_and_each_keeps_its_own_order() -> None:
    line: FairLine[str] = FairLine(1)
    for one in ("a1", "a2", "a3", "b1", "b2", "c1"):
        line.add(one[0], one)
    assert len(line) == 6
    assert order(line) == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert len(line) == 0


def test_asking_again_keeps_the_place() -> None:
    line: FairLine[str] = FairLine(1)
    for one in ("a1", "b1", "a1"):
        line.add(one[0], one)
    assert order(line) == ["a1", "b1"]


def test_there_is_room_for_so_many_and_no_more() -> None:
    line: FairLine[str] = FairLine(2)
    for one in ("a1", "a2", "a3"):
        line.add("a", one)
    assert [line.take(), line.take(), line.take()] == [("a", "a1"), ("a", "a2"), None]
    line.done("a")
    assert line.take() == ("a", "a3")


def test_whoever_has_least_under_way_is_next() -> None:
    line: FairLine[str] = FairLine(4)
    for number in range(10):
        line.add("a", f"a{number}")
    taken = [line.take() for _ in range(4)]
    assert taken[-1] == ("a", "a3")
    for one in ("b1", "b2", "c1"):
        line.add(one[0], one)
    for tenant in "aaa":
        line.done(tenant)
    # a has one place: what became free is shared until all have as much.
    assert [line.take()[1] for _ in range(3)] == ["b1", "c1", "a4"]
    line.done("a")
    assert line.take() == ("b", "b2")


def test_who_leaves_is_never_called() -> None:
    line: FairLine[str] = FairLine(1)
    for one in ("a1", "a2", "b1"):
        line.add(one[0], one)
    assert line.remove("a", "a1")
    assert line.remove("b", "b1")
    assert not line.remove("b", "b1")
    assert not line.remove("z", "z1")
    assert order(line) == ["a2"]


def test_who_rests_is_left_out_and_loses_nothing() -> None:
    line: FairLine[str] = FairLine(1)
    line.add("a", "a1")
    line.rest("a")
    line.add("a", "a2")
    line.add("b", "b1")
    assert order(line) == ["b1"]
    line.resume("a")
    assert order(line) == ["a1", "a2"]
    line.resume("unheard")


def test_whatever_happens_places_are_kept_count_of() -> None:
    chance = random.Random(5)
    line: FairLine[int] = FairLine(3)
    held: list[str] = []
    waiting: Counter[str] = Counter()
    for number in range(5_000):
        tenant = chance.choice("abcde")
        match chance.randrange(4):
            case 0 | 1:
                line.add(tenant, number)
                waiting[tenant] += 1
            case 2 if held:
                line.done(held.pop(chance.randrange(len(held))))
            case _:
                (line.rest if chance.random() < 0.5 else line.resume)(tenant)
        while (taken := line.take()) is not None:
            held.append(taken[0])
            waiting[taken[0]] -= 1
        assert len(held) <= 3
        assert len(line) == sum(waiting.values())
    for tenant in "abcde":
        line.resume(tenant)
    while held:
        line.done(held.pop())
        while (taken := line.take()) is not None:
            held.append(taken[0])
    assert len(line) == 0


# ── the slots ────────────────────────────────────────────────────────────────────────────────────────────────────


class Bench:
    """Slots, and whoever was let in, in order; each stays inside until its gate opens."""

    def __init__(self, at_once: int) -> None:
        self.slots = FairSlots(at_once)
        self.entered: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def ask(self, one: str, tenant: str = "") -> asyncio.Task[None]:
        return asyncio.ensure_future(self._inside(one, tenant or one[0]))

    async def _inside(self, one: str, tenant: str) -> None:
        working_for("" if tenant == "-" else tenant)
        async with self.slots.turn():
            self.entered.append(one)
            await self.gates.setdefault(one, asyncio.Event()).wait()

    async def leave(self, *ones: str) -> None:
        for one in ones:
            self.gates.setdefault(one, asyncio.Event()).set()
            await settled()


def run(test: Callable[[Bench], Awaitable[None]], at_once: int = 1) -> None:
    async def inside() -> None:
        bench = Bench(at_once)
        await test(bench)
        await bench.leave(*bench.gates)
        bench.slots.close()
        await settled()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(inside())


def test_one_is_not_delayed_by_a_thousand() -> None:
    async def test(bench: Bench) -> None:
        crowd = [bench.ask(f"a{number}") for number in range(1_000)]
        await settled()
        one = bench.ask("b1")
        await bench.leave(*(f"a{number}" for number in range(3)))
        # The first who leaves makes room for it.
        assert bench.entered.index("b1") == 2
        await bench.leave("b1")
        assert one.done()
        for task in crowd:
            task.cancel()
        await settled()

    run(test, at_once=2)


@pytest.mark.parametrize("first", ["cancelled", "free"])
def test_who_is_cancelled_gives_its_turn_away(first: str) -> None:
    async def test(bench: Bench) -> None:
        inside, waiting, other = bench.ask("a1"), bench.ask("a2"), bench.ask("a3")
        await settled()
        # In the same moment in which a place becomes free, whoever would have it is gone.
        calls = [waiting.cancel, bench.gates["a1"].set]
        for call in calls if first == "cancelled" else calls[::-1]:
            call()
        await settled()
        assert bench.entered == ["a1", "a3"]
        other.cancel()
        await settled()
        assert inside.exception() is None
        assert (waiting.cancelled(), other.cancelled()) == (True, True)
        bench.ask("b1")
        await settled()
        assert bench.entered[-1] == "b1"

    run(test)


def test_who_is_cancelled_right_after_its_turn_came_gives_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(bench: Bench) -> None:
        bench.ask("a1")
        waiting = bench.ask("a2")
        await settled()
        leave = bench.slots._leave

        def left(tenant: str) -> None:
            leave(tenant)
            assert len(bench.slots._line) == 0
            waiting.cancel()

        monkeypatch.setattr(bench.slots, "_leave", left)
        await bench.leave("a1")
        monkeypatch.undo()
        bench.ask("a3")
        await settled()
        assert bench.entered == ["a1", "a3"]

    run(test)


def test_a_tenant_that_was_sent_away_rests_and_others_go_on() -> None:
    async def test(bench: Bench) -> None:
        async def sent_away(seconds: float, tenant: str) -> None:
            working_for(tenant)
            bench.slots.rest(seconds)

        loop = asyncio.get_running_loop()
        await asyncio.ensure_future(sent_away(60, "a"))
        await asyncio.ensure_future(sent_away(30, "a"))
        await asyncio.ensure_future(sent_away(0, "b"))
        await asyncio.ensure_future(sent_away(60, ""))
        assert 59 < bench.slots._rests["a"].when() - loop.time() <= 60
        bench.ask("a1")
        bench.ask("b1")
        bench.ask("own", tenant="-")
        await bench.leave("b1", "own")
        assert bench.entered == ["b1", "own"]
        await asyncio.ensure_future(sent_away(0.001, "c"))
        rested = bench.ask("c1")
        await bench.leave("c1")
        await rested
        bench.slots.close()
        await settled()
        assert bench.entered == ["b1", "own", "c1", "a1"]

    run(test)


def test_a_task_works_for_the_tenant_of_whoever_made_it() -> None:
    async def test(bench: Bench) -> None:
        async def shared() -> None:
            async with bench.slots.turn():
                bench.entered.append("made by b")

        async def asks() -> None:
            working_for("b")
            await asyncio.ensure_future(shared())

        for number in range(3):
            bench.ask(f"a{number}")
        await settled()
        asking = asyncio.ensure_future(asks())
        await settled()
        await bench.leave("a0")
        assert bench.entered[1] == "made by b"
        await bench.leave("a1", "a2")
        await asking

    run(test)


def test_work_in_threads_takes_turns_too() -> None:
    async def inside() -> None:
        slots = FairSlots(1)
        at_once: list[str] = []

        def work(word: str, *, fails: bool = False) -> str:
            at_once.append(word)
            assert len(at_once) == 1
            assert threading.current_thread() is not threading.main_thread()
            at_once.clear()
            if fails:
                raise ValueError(word)
            return word

        found = await asyncio.gather(*(slots.in_thread(work, f"{number}") for number in range(20)))
        assert found == [f"{number}" for number in range(20)]
        with pytest.raises(ValueError, match="bad"):
            await slots.in_thread(work, "bad", fails=True)
        assert await slots.in_thread(work, "good") == "good"

    asyncio.run(inside())


def test_nothing_that_tenants_share_is_first_come_first_served() -> None:
    adapters = Path(fair.__file__).parent
    found = [str(path.relative_to(adapters)) for path in adapters.rglob("*.py") if "Semaphore(" in path.read_text()]
    assert found == []
