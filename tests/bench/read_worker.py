"""Reads, proves, decodes and folds a ledger once. Prints events a second, peak memory and the state as JSON."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import msgspec

from ledger.envelope import Record
from ledger.events import Event, VerifyFinished
from ledger.fold import Folder
from ledger.sqlite_log import SqliteReader
from tests.bench.clock import rate

State = dict[str, int]


class Figures(msgspec.Struct):
    """What one reading took, and where it arrived."""

    events_per_s: float
    peak_mib: float
    state: State


class Outcomes:
    """Counts outcomes; dispatches by type, as a fold of many event types does."""

    name = "outcomes"
    version = 1

    def __init__(self) -> None:
        self._handlers = {VerifyFinished: self._finished}

    def initial(self) -> State:
        return {}

    def apply(self, state: State, record: Record) -> State:
        handler = self._handlers.get(type(record.event))  # type: ignore[arg-type]
        if handler is not None:
            handler(state, record.header.outcome, record.event)
        return state

    @staticmethod
    def _finished(state: State, outcome: str, event: Event | None) -> None:
        state[outcome] = state.get(outcome, 0) + 1

    def encode(self, state: State) -> bytes:
        return msgspec.json.encode(state)

    def decode(self, data: bytes) -> State:
        return msgspec.json.decode(data, type=State)


def main(path: Path) -> Figures:
    reader = SqliteReader(path)
    length = reader.head().number
    folder = Folder(reader, Outcomes())
    speed = rate(length, folder.catch_up)
    assert folder.chain.head == reader.head()
    reader.close()
    return Figures(speed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, folder.state)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(main(Path(sys.argv[1]))))
