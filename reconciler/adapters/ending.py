"""The end of the process: who asked first, with which exit code, and what must happen before anything else.

Not the way out itself. Invariant: when `ask` returns, no new effect can start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

#: Exit codes of the process: on request; another process may have taken over.
ON_REQUEST, DISPOSSESSED = 0, 3

T = TypeVar("T")


class Ended(Exception):
    """The process was asked to end while it was starting."""


class Ending:
    """Whether the process is to end, and with which exit code. The first reason counts."""

    def __init__(self) -> None:
        self.code: int | None = None
        self._asked = asyncio.Event()
        self._halts: list[Callable[[], None]] = []

    def ask(self, code: int, why: str) -> None:
        """End. Before this returns, no new effect can start."""
        for halt in self._halts:
            halt()
        if self.code is None:
            self.code = code
            log.log(logging.WARNING if code else logging.INFO, "ending with %d: %s", code, why)
            self._asked.set()

    def halting(self, halt: Callable[[], None]) -> None:
        """What is called at once when the process is asked to end."""
        self._halts.append(halt)

    async def wait(self) -> int:
        """The exit code, when the process is asked to end."""
        await self._asked.wait()
        return self.code or 0

    def check(self) -> None:
        """Raises `Ended`."""
        if self.code is not None:
            raise Ended

    async def before_end(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work. Raises `Ended` when the process is asked to end first; the work is cancelled."""
        working, asked = asyncio.ensure_future(work), asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Ended
            # What is done is the caller's, who must close it.
            return working.result()
        finally:
            for task in (working, asked):
                task.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)
