from __future__ import annotations

import asyncio

import pytest

from reconciler.adapters.operations.pool import each
from reconciler.errors import Unavailable


def test_results_keep_the_order_and_no_more_than_the_limit_run_at_once() -> None:
    running, most = 0, 0

    async def work(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - n % 7):
            await asyncio.sleep(0)
        running -= 1
        return n * n

    assert asyncio.run(each(range(30), work, limit=4)) == [n * n for n in range(30)]
    assert most == 4


def test_nothing_to_do() -> None:
    async def work(n: int) -> int:
        raise AssertionError(n)

    assert asyncio.run(each([], work, limit=4)) == []


def test_cancelling_ends_all_of_it() -> None:
    ended: list[int] = []

    async def work(n: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(n)

    async def scenario() -> None:
        task = asyncio.create_task(each(range(10), work, limit=3))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert sorted(ended) == [0, 1, 2]


def test_what_one_raises_is_raised_as_it_is() -> None:
    """Callers name the errors that they expect: a group around them would be a bug's traceback instead of a failure."""

    async def work(n: int) -> int:
        await asyncio.sleep(0)
        if n in (2, 3):
            raise Unavailable(f"{n} is away")
        return n

    with pytest.raises(Unavailable, match="2 is away"):
        asyncio.run(each(range(9), work, limit=4))
