"""Direct commit: the asyncio face of an EventLog without a thread, for simulations and replays.

The same methods as `ledger.group_commit.GroupCommit`, done on the spot in the event loop: fit for a log in memory,
never for one on a disk. Invariant: what `append` returns is recorded, what it raises recorded nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ledger.errors import BlobError, Closed
from ledger.log import Appended, Batch, EventLog

T = TypeVar("T")


class DirectCommit:
    """Appends from one event loop to one log. Close it before the log."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self._closed = False

    async def append(self, batch: Batch) -> Appended:
        """Record a batch. Raises what `EventLog.append` raises, and `Closed`."""
        return await self.call(lambda: self.log.append(batch))

    async def put_blob(self, chunks: bytes | Iterable[bytes]) -> str:
        """Store a blob and return its digest. Raises what `Blobs.put` raises, and `Closed`."""
        return await self.call(lambda: self.log.blobs.put(chunks))

    async def get_blob(self, digest: str) -> bytes | None:
        """Content of a blob; `None` where it is missing or damaged, so that it is made or fetched again."""
        try:
            return self.log.blobs.get(digest)
        except BlobError:
            return None

    async def call(self, function: Callable[[], T]) -> T:
        """Run something that touches the log, in its turn."""
        if self._closed:
            raise Closed
        return function()

    async def close(self) -> None:
        """Take nothing more. Closing twice is fine."""
        self._closed = True
