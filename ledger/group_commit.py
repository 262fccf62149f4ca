"""Group commit: many streams, one durable transaction. The asyncio face of an EventLog.

A writer thread takes whatever has arrived, records it in one transaction and wakes the event loop once. Each caller
returns only when its events are on disk, or with the refusal that concerns it alone. The event loop never waits for a
disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from ledger.errors import BlobError, Closed, LedgerError, Unavailable
from ledger.log import Appended, Batch, EventLog

#: Batches in one transaction, at most: bounds how long the first of them waits for the last.
GROUP_MAX = 512

T = TypeVar("T")


class _Append(NamedTuple):
    batch: Batch
    done: asyncio.Future[Appended]


class _Call(NamedTuple):
    function: Callable[[], Any]
    done: asyncio.Future[Any]


class GroupCommit:
    """Appends from one event loop to one log. Make it inside the running loop; close it before the log."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Append | _Call | None] = SimpleQueue()
        self._closed = False
        self._thread = Thread(target=self._write, name="ledger-writer", daemon=True)
        self._thread.start()

    async def append(self, batch: Batch) -> Appended:
        """Record a batch durably. Raises what `EventLog.append` raises, and `Closed`."""
        if self._closed:
            raise Closed
        done: asyncio.Future[Appended] = self._loop.create_future()
        self._queue.put(_Append(batch, done))
        return await asyncio.shield(done)

    async def put_blob(self, chunks: bytes | Iterable[bytes]) -> str:
        """Store a blob durably and return its digest. Raises what `Blobs.put` raises, and `Closed`."""
        return await self.call(lambda: self.log.blobs.put(chunks))

    async def get_blob(self, digest: str) -> bytes | None:
        """Content of a blob; `None` where it is missing or damaged, so that it is made or fetched again."""

        def read() -> bytes | None:
            try:
                return self.log.blobs.get(digest)
            except BlobError:
                return None

        return await asyncio.to_thread(read)

    async def call(self, function: Callable[[], T]) -> T:
        """Run something that touches the log in the writer thread, in its turn."""
        if self._closed:
            raise Closed
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Call(function, done))
        return await asyncio.shield(done)

    async def close(self) -> None:
        """Record what has been handed in, then stop the thread. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _write(self) -> None:
        while True:
            group = [self._queue.get()]
            while not self._queue.empty() and len(group) < GROUP_MAX:
                group.append(self._queue.get())
            stop = None in group
            answers = self._record([item for item in group if isinstance(item, _Append)])
            answers += [self._run(item) for item in group if isinstance(item, _Call)]
            # One wake-up for the whole group: a wake-up each would cost the event loop more than the disk does.
            self._loop.call_soon_threadsafe(_settle, answers)
            if stop:
                return

    def _record(self, appends: list[_Append]) -> list[tuple[asyncio.Future[Any], Any]]:
        if not appends:
            return []
        try:
            results: list[Any] = list(self.log.append_many([item.batch for item in appends]))
        except LedgerError as error:
            results = [error] * len(appends)
        except Exception as error:  # noqa: BLE001 (a bug must reach the callers, not end the thread they wait for)
            results = [Unavailable(f"the ledger failed: {error!r}")] * len(appends)
        return [(item.done, result) for item, result in zip(appends, results, strict=True)]

    @staticmethod
    def _run(item: _Call) -> tuple[asyncio.Future[Any], Any]:
        try:
            return item.done, item.function()
        except StopIteration as error:
            # A future refuses this one, and everybody else in the group would wait for ever.
            return item.done, RuntimeError(f"{item.function!r} raised {error!r}")
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to the caller)
            return item.done, error


def _settle(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, result in answers:
        if done.cancelled():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
