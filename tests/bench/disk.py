"""The physical limit of a durable append: how often the disk takes three 4 KiB pages and an fdatasync."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.clock import rate

_PAGES = b"\x5a" * (3 * 4096)
#: The size of a write-ahead log that is checkpointed as SQLite does by default: space that is there and written again.
_FILE_BYTES = 4 * 1024 * 1024


class Disk:
    """A file to write pages to."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._fd, b"\0" * _FILE_BYTES)
        os.fsync(self._fd)
        self._place = 0

    def rate(self, times: int) -> float:
        """Synced writes a second."""
        return rate(times, lambda: [self._write() for _ in range(times)])

    def _write(self) -> None:
        os.pwrite(self._fd, _PAGES, self._place)
        os.fdatasync(self._fd)
        self._place = (self._place + len(_PAGES)) % (_FILE_BYTES - len(_PAGES))

    def close(self) -> None:
        os.close(self._fd)
