"""The peers, where they are installed: dbos in a process of its own, eventsourcing in this one."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType


class Missing(Exception):
    """A peer is not installed."""


def need(library: str) -> None:
    """Raises `Missing` where a library is not installed."""
    if find_spec(library) is None:
        raise Missing(f"not measured: {library} is not installed (make bench installs it)")


class Dbos:
    """A dbos workflow in a process of its own, which is told how many steps to take."""

    def __init__(self, path: Path, *, wal: bool) -> None:
        need("dbos")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.dbos_worker", str(path), "wal" if wal else "default"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def steps(self, times: int) -> float:
        """Steps a second, of one workflow."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{times}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Dbos:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
