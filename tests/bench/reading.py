"""Reading a long ledger: both chains, decoding and folding, against eventsourcing's repository; and its memory.

The length is BENCH_EVENTS (a million); the memory is compared with a tenth of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import msgspec

from tests.bench.peers import Missing, need
from tests.bench.read_worker import Figures
from tests.bench.row import Named, Row, not_measured, row
from tests.bench.sample import FAILED, VERIFIED, batch, open_log

EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
_STREAMS = 50
_ROUNDS = 3
_PEER_EVENTS = 30_000


class Rebuilding(Protocol):
    """The peer, once its library was found."""

    written: int

    def rebuild(self) -> tuple[float, dict[str, int]]: ...


SPEED = Named(
    name=f"read, verify both chains, decode and fold {EVENTS:,} events",
    unit="events/s",
    against="eventsourcing, rebuild by its repository",
    target=7.0,
)
MEMORY = Named(
    name=f"peak memory of the same at {EVENTS:,} events",
    unit="MiB",
    against=f"at {EVENTS // 10:,} events",
    target=1.1,
    bound="at most",
)


def ledger(path: Path, *, events: int) -> Path:
    """A ledger of verified outcomes, every tenth of them failed; written once in large batches."""
    if path.exists():
        return path
    log = open_log(path)
    ten = [*[VERIFIED] * 9, FAILED]
    size = min(5_000, events // _STREAMS)
    for number in range(events // size):
        log.append(batch(log, f"shop/{number % _STREAMS}", *ten * (size // 10)))
    log.close()
    return path


def reading(folder: Path) -> list[Row]:
    long = ledger(folder / "long.db", events=EVENTS)
    short = ledger(folder / "short.db", events=EVENTS // 10)
    sizes = [(_read(long, EVENTS).peak_mib, _read(short, EVENTS // 10).peak_mib) for _ in range(_ROUNDS)]
    memory = row(MEMORY, *zip(*sizes, strict=True))
    try:
        need("eventsourcing")
        from tests.bench.releases import Releases

        peer = Releases(folder / "peer.db")
    except Missing as missing:
        return [not_measured(SPEED, str(missing)), memory]
    peer.hundreds(_PEER_EVENTS)
    _rebuilt(peer)
    rounds = [(_read(long, EVENTS).events_per_s, _rebuilt(peer)) for _ in range(_ROUNDS)]
    peer.close()
    return [row(SPEED, *zip(*rounds, strict=True)), memory]


def _read(path: Path, events: int) -> Figures:
    done = subprocess.run([sys.executable, "-m", "tests.bench.read_worker", path], stdout=subprocess.PIPE, check=True)
    figures = msgspec.json.decode(done.stdout, type=Figures)
    assert figures.state == {"ok": events * 9 // 10, "failed": events // 10}, figures.state
    return figures


def _rebuilt(peer: Rebuilding) -> float:
    speed, outcomes = peer.rebuild()
    assert outcomes == {"ok": peer.written * 9 // 10, "failed": peer.written // 10}, outcomes
    return speed
