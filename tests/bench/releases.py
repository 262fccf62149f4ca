"""The peer eventsourcing doing the same work, as durably, on the same disk: an application with one aggregate type.

Imported only where the library is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from ledger.events import VerifyFinished
from tests.bench.clock import rate
from tests.bench.sample import MESSAGE, VERIFIED

# The same information as in our records: what the header says beside the position, and the body.
SAID = {
    "actor": VERIFIED.actor.kind,
    "run": VERIFIED.run,
    "snapshot": VERIFIED.snapshot,
    "stage": VERIFIED.stage,
    "intent": VERIFIED.intent,
}
OBJECTS = msgspec.to_builtins(cast(VerifyFinished, VERIFIED.event).objects)


class Release(Aggregate):
    """Counts outcomes, as our fold does."""

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}

    @event("Finished")
    def finished(self, *, said: dict[str, Any], outcome: str, reason: str, message: str, objects: list[Any]) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Releases:
    """An eventsourcing application whose aggregates record outcomes. One event more than written: its creation."""

    def __init__(self, path: Path) -> None:
        self._app: Any = Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})
        self._release = Release()
        self._app.save(self._release)
        self.written = 0

    def one(self, times: int) -> float:
        def work() -> None:
            for _ in range(times):
                self._finish(1)

        return rate(times, work)

    def hundreds(self, times: int) -> float:
        def work() -> None:
            for _ in range(times // 100):
                self._finish(100)

        return rate(times, work)

    def rebuild(self) -> tuple[float, dict[str, int]]:
        """Events a second of the repository, and the state it arrived at."""
        found: list[Any] = []
        speed = rate(self.written, lambda: found.append(self._app.repository.get(self._release.id)))
        return speed, cast(dict[str, int], found[0].outcomes)

    def stored(self) -> int:
        with self._app.factory.datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA synchronous")
            assert cursor.fetchone()[0] == 2, "the peer must be as durable: synchronous=FULL"
            cursor.execute("PRAGMA journal_mode")
            assert cursor.fetchone()[0] == "wal"
            cursor.execute("SELECT count(*) FROM stored_events")
            return int(cursor.fetchone()[0]) - 1

    def close(self) -> None:
        self._app.close()

    def _finish(self, times: int) -> None:
        for _ in range(times):
            self.written += 1
            outcome = "failed" if self.written % 10 == 0 else "ok"
            self._release.finished(said=SAID, outcome=outcome, reason="", message=MESSAGE, objects=OBJECTS)
        self._app.save(self._release)
