"""Bounded concurrency for many small requests. Not a queue between operations: each call has its own bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def each(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, limit: int) -> list[R]:
    """`work` done for each item, at most `limit` at a time; the results in the order of the items.

    Tasks are as many as the limit, not as the items. When one raises or the caller is cancelled, all end; what the
    first of them raised is raised here, as it would be without concurrency.
    """
    todo = list(items)
    done: dict[int, R] = {}
    positions = iter(range(len(todo)))

    async def worker() -> None:
        for at in positions:
            done[at] = await work(todo[at])

    if min(limit, len(todo)) <= 1:
        await worker()
    else:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(limit, len(todo))):
                    group.create_task(worker())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [done[at] for at in range(len(todo))]
