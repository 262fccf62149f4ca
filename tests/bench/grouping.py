"""Group commit: 32 tasks against the disk, as it is and with syncs that take 2 ms longer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from tests.bench.group_worker import Figures
from tests.bench.row import Named, Row, not_measured, row

_FULL = "WAL, synchronous=FULL"
_LAG_MS = 5.0
_NORMAL = (
    Named(
        name="32 tasks, group commit",
        unit="events/s",
        against="fdatasync of three 4 KiB pages",
        target=3.0,
        durability=_FULL,
    ),
    Named(name="32 tasks, lag of the event loop (p99)", unit="ms", against="5 ms", target=1.0, bound="at most"),
)
_SLOWED = (
    Named(
        name="32 tasks, group commit, syncs slowed by 2 ms",
        unit="events/s",
        against="fdatasync, slowed as well",
        target=15.0,
        durability=_FULL,
    ),
    Named(
        name="32 tasks, lag of the event loop (p99), syncs slowed by 2 ms",
        unit="ms",
        against="5 ms",
        target=1.0,
        bound="at most",
    ),
)


def normal(folder: Path) -> list[Row]:
    return _rows(_NORMAL, folder / "normal", dict(os.environ))


def slowed(folder: Path) -> list[Row]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return [not_measured(named, "not measured: it needs Linux and a C compiler") for named in _SLOWED]
    shim = folder / "slow_sync.so"
    source = Path(__file__).with_name("slow_sync.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
    return _rows(_SLOWED, folder / "slowed", {**os.environ, "LD_PRELOAD": str(shim.absolute())})


def _rows(named: tuple[Named, Named], folder: Path, environment: dict[str, str]) -> list[Row]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.group_worker", folder], env=environment, stdout=subprocess.PIPE, check=True
    )
    figures = msgspec.json.decode(done.stdout, type=Figures)
    limits = [_LAG_MS] * len(figures.lag_p99_ms)
    return [row(named[0], figures.appends, figures.syncs), row(named[1], figures.lag_p99_ms, limits)]
