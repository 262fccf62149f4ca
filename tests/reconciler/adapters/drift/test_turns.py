"""Once however much happens, nobody at the others' cost, again after a pause, nothing after closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from reconciler.adapters.drift import turns
from reconciler.adapters.drift.turns import AT_ONCE_MAX, Turns

A, B = ("shop", "a"), ("shop", "b")


class Looks:
    def __init__(self) -> None:
        self.seen: list[tuple[tuple[str, str], set[str]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.turns = Turns(self.look)

    async def look(self, owner: tuple[str, str], ids: set[str]) -> None:
        self.seen.append((owner, ids))
        await self.gate.wait()
        if "bug" in ids:
            raise ValueError("a bug")


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def run(test: Callable[[Looks], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    async def inside() -> None:
        looks = Looks()
        await test(looks)
        await looks.turns.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    monkeypatch.setattr(turns, "PAUSE_S", 0.0)
    asyncio.run(inside())


def test_what_happens_at_once_is_one_look(monkeypatch):
    async def test(looks: Looks) -> None:
        for ids in ((), ("x",), ("y", "x")):
            looks.turns.soon(A, ids)
        looks.turns.soon(B)
        assert looks.seen == []
        await settled()
        assert looks.seen == [(A, {"x", "y"}), (B, set())]

    run(test, monkeypatch)


def test_what_happens_during_a_look_is_another_one(monkeypatch):
    async def test(looks: Looks) -> None:
        looks.gate.clear()
        looks.turns.soon(A)
        await settled()
        looks.turns.soon(A, ["x"])
        looks.turns.soon(A)
        await settled()
        assert looks.seen == [(A, set())]
        looks.gate.set()
        await settled()
        assert looks.seen == [(A, set()), (A, {"x"})]

    run(test, monkeypatch)


def test_a_thousand_of_one_namespace_do_not_delay_another(monkeypatch):
    async def test(looks: Looks) -> None:
        looks.gate.clear()
        for number in range(1000):
            looks.turns.soon(("big", str(number)))
        await settled()
        assert len(looks.seen) == AT_ONCE_MAX
        looks.turns.soon(A)
        await settled()
        looks.gate.set()
        await settled()
        assert A in [owner for owner, _ in looks.seen[: 2 * AT_ONCE_MAX]]

    run(test, monkeypatch)


def test_later_is_once_and_keeps_what_is_to_be_looked_at(monkeypatch):
    async def test(looks: Looks) -> None:
        looks.turns.later(A, {"x"}, after_s=1000)
        looks.turns.later(A, {"y"}, after_s=0)
        looks.turns.later(A, {"z"}, after_s=2000)
        await asyncio.sleep(0.01)
        await settled()
        assert looks.seen == [(A, {"x", "y", "z"})]
        assert looks.turns._later == {}

    run(test, monkeypatch)


def test_what_is_forgotten_is_not_looked_at(monkeypatch):
    async def test(looks: Looks) -> None:
        looks.turns.soon(A, ["x"])
        looks.turns.later(A, {"y"}, after_s=0)
        looks.turns.forget(A)
        await settled()
        assert looks.seen == []

    run(test, monkeypatch)


def test_a_bug_is_seen_and_ends_nobody_elses_looks(monkeypatch):
    async def test(looks: Looks) -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about["message"]))
        looks.turns.soon(A, ["bug"])
        await settled()
        looks.turns.soon(A)
        await settled()
        assert told == ["a look at shop/a failed by a bug"]
        assert len(looks.seen) == 2

    run(test, monkeypatch)


def test_nothing_happens_after_closing(monkeypatch):
    async def test(looks: Looks) -> None:
        looks.gate.clear()
        looks.turns.soon(A)
        await settled()
        looks.turns.soon(B)
        looks.turns.later(B, set(), after_s=0)
        await looks.turns.close()
        looks.turns.soon(B)
        await settled()
        assert [owner for owner, _ in looks.seen] == [A]

    run(test, monkeypatch)
