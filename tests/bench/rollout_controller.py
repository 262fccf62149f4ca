"""`stageset-controller`, measured from inside: the same program, which leaves a few figures when it ends.

`python -m tests.bench.rollout_controller FIGURES.json <the controller's flags>`. Figures: CPU seconds of the process,
of the ledger's writer thread, of appending in the event loop; how often kustomize was run.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ledger.group_commit import GroupCommit
from reconciler.__main__ import main
from reconciler.adapters.kustomize import Builder

_builders: list[Builder] = []
_spent = {"writer_cpu_s": 0.0, "append_cpu_s": 0.0}


class _Timed:
    """Awaits a coroutine and adds up the CPU time of its own steps, not that of what it waits for."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step, given = self._coroutine.send, None
        while True:
            begun = time.thread_time()
            try:
                waited = step(given)
            except StopIteration as done:
                return done.value
            finally:
                _spent["append_cpu_s"] += time.thread_time() - begun
            try:
                step, given = self._coroutine.send, (yield waited)
            except BaseException as error:  # handed on to the coroutine, which decides
                step, given = self._coroutine.throw, error


def _instrument() -> None:
    append, close, init = GroupCommit.append, GroupCommit.close, Builder.__init__

    async def timed_append(self: GroupCommit, batch: Any) -> Any:
        return await _Timed(append(self, batch))

    async def timed_close(self: GroupCommit) -> None:
        thread = self._thread.ident
        if thread is not None and self._thread.is_alive():
            _spent["writer_cpu_s"] = time.clock_gettime(time.pthread_getcpuclockid(thread))
        await close(self)

    def counted_init(self: Builder, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        _builders.append(self)

    GroupCommit.append, GroupCommit.close = timed_append, timed_close  # type: ignore[method-assign]
    Builder.__init__ = counted_init  # type: ignore[method-assign]


def _leave(path: Path) -> None:
    figures = {"cpu_s": time.process_time(), "builds": sum(one.builds for one in _builders), **_spent}
    path.write_text(json.dumps(figures))


if __name__ == "__main__":
    figures = Path(sys.argv.pop(1))
    _instrument()
    atexit.register(_leave, figures)
    assert asyncio.iscoroutinefunction(GroupCommit.append)
    main()
