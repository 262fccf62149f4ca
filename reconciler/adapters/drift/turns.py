"""Who is looked at next: each StageSet once however much happens to it, and no namespace at the others' cost.

Not what is looked at. Invariants: what is asked for while its StageSet is being looked at is looked at afterwards; who
waits has no task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from reconciler.adapters.fair import FairLine, working_for

#: What happens to a StageSet within this time is looked at together, in seconds.
PAUSE_S = 0.5
#: Looks at once: most of them wait for an API server, which may be one that does not answer.
AT_ONCE_MAX = 32

Owner = tuple[str, str]
#: Looks at a StageSet; the ids are objects that are to be looked at although no generation changed.
Work = Callable[[Owner, set[str]], Awaitable[None]]


class Turns:
    """StageSets that are to be looked at, by namespace and name. Make it inside the event loop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._line: FairLine[Owner] = FairLine(AT_ONCE_MAX)
        self._ids: dict[Owner, set[str]] = {}
        self._running: dict[Owner, asyncio.Task[None]] = {}
        #: to be looked at once more when their look is over
        self._again: set[Owner] = set()
        self._timer: asyncio.TimerHandle | None = None
        #: StageSets that are to be looked at later
        self._later: dict[Owner, asyncio.TimerHandle] = {}
        self._closed = False

    def soon(self, owner: Owner, ids: Iterable[str] = ()) -> None:
        """Look at a StageSet soon. Cheap; asking often is fine."""
        if self._closed:
            return
        if wanted := set(ids):
            self._ids.setdefault(owner, set()).update(wanted)
        if owner in self._running:
            self._again.add(owner)
        else:
            self._line.add(owner[0], owner)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE_S, self._is_time)

    def later(self, owner: Owner, ids: set[str], *, after_s: float) -> None:
        """Look at a StageSet once more, after so many seconds at the latest."""
        loop = asyncio.get_running_loop()
        self._ids.setdefault(owner, set()).update(ids)
        before = self._later.get(owner)
        if self._closed or (before is not None and before.when() <= loop.time() + after_s):
            return
        if before is not None:
            before.cancel()
        self._later[owner] = loop.call_later(after_s, self._is_later, owner)

    def forget(self, owner: Owner) -> None:
        """Nothing is to be looked at any more."""
        self._line.remove(owner[0], owner)
        self._again.discard(owner)
        self._ids.pop(owner, None)
        if (timer := self._later.pop(owner, None)) is not None:
            timer.cancel()

    async def close(self) -> None:
        """End all looks."""
        self._closed = True
        for timer in (self._timer, *self._later.values()):
            if timer is not None:
                timer.cancel()
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _is_time(self) -> None:
        self._timer = None
        self._begin()

    def _is_later(self, owner: Owner) -> None:
        del self._later[owner]
        self.soon(owner)

    def _begin(self) -> None:
        while not self._closed and (taken := self._line.take()) is not None:
            _, owner = taken
            self._running[owner] = asyncio.ensure_future(self._look(owner))

    async def _look(self, owner: Owner) -> None:
        working_for(owner[0])
        try:
            await self._work(owner, self._ids.pop(owner, set()))
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must not end the looks at others
            failed = {"message": f"a look at {'/'.join(owner)} failed by a bug", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failed)
        finally:
            del self._running[owner]
            self._line.done(owner[0])
            if owner in self._again:
                self._again.discard(owner)
                self.soon(owner)
            self._begin()
