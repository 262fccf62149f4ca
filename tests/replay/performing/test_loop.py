from __future__ import annotations

import asyncio

import pytest

from replay.performing.loop import InstantClock, Stuck, run


def test_time_jumps_and_nothing_is_waited_for() -> None:
    async def main() -> list[int]:
        clock = InstantClock(1_000)
        seen = [clock.now_ms()]
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(7200))
        seen.append(clock.now_ms())
        seen.append(await asyncio.to_thread(lambda: 5))
        return seen

    assert run(main) == [1_000, 7_201_000, 5]


def test_what_waits_for_ever_is_told() -> None:
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck, match="nothing is due"):
        run(for_ever)


def test_a_busy_loop_is_told() -> None:
    async def busy() -> None:
        loop = asyncio.get_running_loop()

        def again() -> None:
            loop.call_soon(again)

        again()
        await loop.create_future()

    with pytest.raises(Stuck, match="without its time going on"):
        run(busy)


def test_what_fails_elsewhere_fails_here() -> None:
    def broken() -> None:
        raise ValueError("broken")

    async def main() -> None:
        await asyncio.to_thread(broken)

    with pytest.raises(ValueError, match="broken"):
        run(main)
