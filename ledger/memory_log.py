"""MemoryLog: the EventLog without a file, for simulations and replays. Forgets everything with its process.

The same contract as every log (`tests/contract/log_contract.py`): sealed bytes, both chains, versions and epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock

from ledger.blobs import MemoryBlobs
from ledger.chain import Head
from ledger.envelope import Actor, Packed, Stored, decode_header
from ledger.errors import AppendRefused, BlobMissing, Closed
from ledger.log import EVERYTHING, Appended, Batch, Result, Selection
from ledger.tip import Staging, Tip, check_erasure


class MemoryLog:
    """An EventLog in memory. `chance(n)` gives n bytes for salts, `at` is the time of the first record."""

    def __init__(self, *, ledger: str, at: str, chance: Callable[[int], bytes], replica: str = "memory") -> None:
        self._replica = replica
        self._chance = chance
        self._tip = Tip(ledger)
        self._lock = Lock()
        self._closed = False
        self._erased: set[int] = set()
        #: all records, in order
        self.rows: list[Stored] = []
        self.blobs = MemoryBlobs()
        staging = self._stage()
        staging.genesis(at=at, software="")
        self._settle(staging)

    @property
    def ledger(self) -> str:
        return self._tip.ledger

    @property
    def epoch(self) -> int:
        return self._tip.epoch

    def head(self) -> Head:
        return self._tip.head

    def version(self, stream: str) -> int:
        return self._tip.streams.get(stream, Head()).number

    def open_epoch(self, *, actor: Actor, at: str, reason: str, software: str = "") -> int:
        with self._lock:
            staging = self._stage()
            epoch = staging.open_epoch(actor=actor, at=at, reason=reason, software=software)
            self._settle(staging)
            return epoch

    def append(self, batch: Batch) -> Appended:
        result = self.append_many((batch,))[0]
        if isinstance(result, Exception):
            raise result
        return result

    def append_many(self, batches: Sequence[Batch], *, blobs: Sequence[Packed] = ()) -> list[Result]:
        results: list[Result] = []
        with self._lock:
            staging = self._stage()
            for blob in blobs:
                self.blobs.keep(blob)
            for batch in batches:
                try:
                    results.append(staging.add(batch))
                except (AppendRefused, BlobMissing) as refusal:
                    results.append(refusal)
            self._settle(staging)
        return results

    def erase(self, positions: Sequence[int], *, batch: Batch) -> Appended:
        with self._lock:
            staging = self._stage()
            appended = staging.add(batch)
            check_erasure(self, positions, batch)
            self._settle(staging)
            for seq in positions:
                self.rows[seq - 1] = self.rows[seq - 1]._replace(body=None, salt=None)
                self._erased.add(seq)
        return appended

    def erased(self, seq: int) -> bool:
        return seq in self._erased

    def astray(self) -> int:
        return 0  # there is nothing but the records to look things up in

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        last = len(self.rows)
        for seq in range(max(selection.after, 0), min(last, selection.until or last)):
            row = self.rows[seq]
            if selection.is_range or selection.matches(decode_header(row.header)):
                yield row

    def close(self) -> None:
        self._closed = True

    def _stage(self) -> Staging:
        if self._closed:
            raise Closed
        return Staging(
            self._tip,
            replica=self._replica,
            chance=self._chance,
            has_blob=self.blobs.has,
            stream_head=lambda _: Head(),
        )

    def _settle(self, staging: Staging) -> None:
        self.rows += staging.rows
        staging.settle()
