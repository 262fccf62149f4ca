"""Durable appends one at a time: against the disk, and against the libraries eventsourcing and dbos."""

from __future__ import annotations

from pathlib import Path

from tests.bench.clock import rate
from tests.bench.disk import Disk
from tests.bench.peers import Dbos, Missing, need
from tests.bench.row import Named, Row, not_measured, row
from tests.bench.sample import INTENT, OUTCOME, VERIFIED, batch, open_log

_FULL = "WAL, synchronous=FULL"
_ROUNDS = 7
_TIMES = 400
_IN_HUNDREDS = 10_000
_STEPS = 150

DISK = Named(
    name="durable append, one event a transaction",
    unit="events/s",
    against="fdatasync of three 4 KiB pages",
    target=0.6,
    durability=_FULL,
)
ONE = Named(
    name="append one at a time",
    unit="events/s",
    against="eventsourcing, SQLite recorder",
    target=1.4,
    durability=f"both {_FULL}",
)
HUNDREDS = Named(
    name="append in hundreds",
    unit="events/s",
    against="eventsourcing, SQLite recorder",
    target=2.2,
    durability=f"both {_FULL}",
)
STEP = Named(
    name="an intent and its outcome, one transaction each",
    unit="steps/s",
    against="a step of dbos, its default",
    target=4.0,
    durability=f"ours {_FULL}; dbos rollback journal, synchronous=FULL",
)
STEP_WAL = Named(
    name="an intent and its outcome, one transaction each",
    unit="steps/s",
    against="a step of dbos, in WAL",
    target=2.5,
    durability=f"both {_FULL}",
)


class _Ours:
    def __init__(self, path: Path) -> None:
        self.log = open_log(path)
        self.written = 0

    def one(self, times: int) -> float:
        def work() -> None:
            for _ in range(times):
                self.log.append(batch(self.log, "shop/checkout", VERIFIED))

        self.written += times
        return rate(times, work)

    def hundreds(self, times: int) -> float:
        def work() -> None:
            for _ in range(times // 100):
                self.log.append(batch(self.log, "shop/checkout", *[VERIFIED] * 100))

        self.written += times
        return rate(times, work)

    def steps(self, times: int) -> float:
        def work() -> None:
            for _ in range(times):
                self.log.append(batch(self.log, "shop/checkout", INTENT))
                self.log.append(batch(self.log, "shop/checkout", OUTCOME))

        self.written += 2 * times
        return rate(times, work)

    def close(self) -> None:
        assert self.log.version("shop/checkout") == self.written
        assert sum(1 for _ in self.log.read()) == self.written + 1
        self.log.close()


def against_disk(folder: Path) -> list[Row]:
    ours, disk = _Ours(folder / "disk.db"), Disk(folder / "disk.pages")
    try:
        ours.one(_TIMES), disk.rate(_TIMES)
        rounds = [(ours.one(_TIMES), disk.rate(_TIMES)) for _ in range(_ROUNDS)]
    finally:
        disk.close()
    ours.close()
    return [row(DISK, *zip(*rounds, strict=True))]


def against_eventsourcing(folder: Path) -> list[Row]:
    try:
        need("eventsourcing")
        from tests.bench.releases import Releases

        peer = Releases(folder / "eventsourcing.db")
    except Missing as missing:
        return [not_measured(named, str(missing)) for named in (ONE, HUNDREDS)]
    ours = _Ours(folder / "ours.db")
    ours.one(_TIMES), peer.one(_TIMES)
    ones = [(ours.one(_TIMES), peer.one(_TIMES)) for _ in range(_ROUNDS)]
    hundreds = [(ours.hundreds(_IN_HUNDREDS), peer.hundreds(_IN_HUNDREDS)) for _ in range(_ROUNDS)]
    assert ours.written == peer.written == peer.stored()
    ours.close()
    peer.close()
    return [row(ONE, *zip(*ones, strict=True)), row(HUNDREDS, *zip(*hundreds, strict=True))]


def against_dbos(folder: Path) -> list[Row]:
    rows = []
    for named, wal in ((STEP, False), (STEP_WAL, True)):
        try:
            peer = Dbos(folder / f"dbos-{'wal' if wal else 'default'}.db", wal=wal)
        except Missing as missing:
            rows.append(not_measured(named, str(missing)))
            continue
        ours = _Ours(folder / f"ours-{'wal' if wal else 'default'}.db")
        with peer:
            ours.steps(_STEPS), peer.steps(_STEPS)
            rounds = [(ours.steps(_STEPS), peer.steps(_STEPS)) for _ in range(_ROUNDS)]
        ours.close()
        rows.append(row(named, *zip(*rounds, strict=True)))
    return rows
