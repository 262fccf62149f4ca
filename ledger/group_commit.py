"""Group commit: many streams, one durable transaction. The asyncio face of an EventLog.

A writer thread takes whatever has arrived, blobs and appends, records it in one transaction and wakes the event loop
once. Each caller returns only when its events are on disk, or with the refusal that concerns it alone. The event loop
never waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from ledger.errors import BlobError, Closed, LedgerError, Unavailable
from ledger.log import Appended, Batch, EventLog

#: Batches and blobs in one transaction, at most: bounds how long the first of them waits for the last.
GROUP_MAX = 512

T = TypeVar("T")
#: Who waits, and what for: a result or an exception.
_Answer = tuple[asyncio.Future[Any], Any]


class _Append(NamedTuple):
    batch: Batch
    done: asyncio.Future[Appended]


class _Put(NamedTuple):
    chunks: bytes | Iterable[bytes]
    done: asyncio.Future[str]


class _Call(NamedTuple):
    function: Callable[[], Any]
    done: asyncio.Future[Any]


_Item = _Append | _Put | _Call


class GroupCommit:
    """Appends from one event loop to one log. Make it inside the running loop; close it before the log."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        #: what this turn of the event loop has handed in so far
        self._turn: list[_Item] = []
        self._closed = False
        self._thread = Thread(target=self._write, name="ledger-writer", daemon=True)
        self._thread.start()

    async def append(self, batch: Batch) -> Appended:
        """Record a batch durably. Raises what `EventLog.append` raises, and `Closed`."""
        if self._closed:
            raise Closed
        done: asyncio.Future[Appended] = self._loop.create_future()
        self._hand_in(_Append(batch, done))
        return await asyncio.shield(done)

    async def put_blob(self, chunks: bytes | Iterable[bytes]) -> str:
        """Store a blob durably and return its digest. Raises what `Blobs.put` raises, and `Closed`."""
        if self._closed:
            raise Closed
        done: asyncio.Future[str] = self._loop.create_future()
        self._hand_in(_Put(chunks, done))
        return await asyncio.shield(done)

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
        self._hand_in(_Call(function, done))
        return await asyncio.shield(done)

    async def close(self) -> None:
        """Record what has been handed in, then stop the thread. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _hand_in(self, item: _Item) -> None:
        # One hand-over for all that a turn of the event loop wants recorded: waking the writer for the first of them
        # would make it commit that one alone, and have both threads fight for the interpreter meanwhile.
        if not self._turn:
            self._loop.call_soon(self._hand_over)
        self._turn.append(item)

    def _hand_over(self) -> None:
        turn, self._turn = self._turn, []
        for item in turn:
            self._queue.put(item)

    def _write(self) -> None:
        stop = False
        while not stop:
            group = [self._queue.get()]
            while not self._queue.empty() and len(group) < GROUP_MAX:
                group.append(self._queue.get())
            stop = None in group
            answers = self._record(
                [item for item in group if isinstance(item, _Append)],
                [item for item in group if isinstance(item, _Put)],
            )
            answers += [self._run(item) for item in group if isinstance(item, _Call)]
            # One wake-up for the whole group: a wake-up each would cost the event loop more than the disk does.
            self._loop.call_soon_threadsafe(_settle, answers)

    def _record(self, appends: list[_Append], puts: list[_Put]) -> list[_Answer]:
        packed = [self._run(_Call(partial(self.log.blobs.pack, put.chunks), put.done)) for put in puts]
        answers = [(done, result) for done, result in packed if isinstance(result, Exception)]
        ready = [(done, result) for done, result in packed if not isinstance(result, Exception)]
        waiting = [*(item.done for item in appends), *(done for done, _ in ready)]
        if not waiting:
            return answers
        try:
            results = self.log.append_many([item.batch for item in appends], blobs=[blob for _, blob in ready])
            return [*answers, *zip(waiting, [*results, *(blob.digest for _, blob in ready)], strict=True)]
        except LedgerError as error:
            failure: Exception = error
        except Exception as error:  # noqa: BLE001 (a bug must reach the callers, not end the thread they wait for)
            failure = Unavailable(f"the ledger failed: {error!r}")
        return [*answers, *((done, failure) for done in waiting)]

    @staticmethod
    def _run(item: _Call) -> _Answer:
        try:
            return item.done, item.function()
        except StopIteration as error:
            # A future refuses this one, and everybody else in the group would wait for ever.
            return item.done, RuntimeError(f"{item.function!r} raised {error!r}")
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to the caller)
            return item.done, error


def _settle(answers: list[_Answer]) -> None:
    for done, result in answers:
        if done.cancelled():
            continue
        if isinstance(result, Exception):
            done.set_exception(result)
        else:
            done.set_result(result)
