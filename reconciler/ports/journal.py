"""The Journal port: the ledger as the loop sees it. `ledger.group_commit.GroupCommit` is the shipped implementation."""

from __future__ import annotations

from typing import Protocol

from ledger.log import Appended, Batch


class Journal(Protocol):
    """Durable appending, and blobs."""

    async def append(self, batch: Batch) -> Appended:
        """Record a batch; it is durable when this returns. Raises `ledger.errors` leaves; nothing was written then."""

    async def put_blob(self, chunks: bytes) -> str:
        """Store content durably and return its digest."""

    async def get_blob(self, digest: str) -> bytes | None:
        """Content of a blob; `None` where it is missing or damaged."""
