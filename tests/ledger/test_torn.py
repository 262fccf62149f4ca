"""A write-ahead log that lost its end, or in which a byte was altered: what was complete before it is there."""

from __future__ import annotations

import shutil
import struct
from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.errors import LedgerError
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, append, bare, draft

#: Many damaged ledgers, each opened anew.
pytestmark = pytest.mark.slow

HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24


class Torn:
    """Copies of a ledger that was being written, and what was acknowledged at each size of its write-ahead log."""

    def __init__(self, folder: Path, *, checkpointed: bool) -> None:
        self.folder, self.path = folder / "torn", folder / "l.db"
        wal = self.path.with_name("l.db-wal")
        #: (size of the write-ahead log, position that was acknowledged then)
        self.acknowledged: list[tuple[int, int]] = []
        with closing(SqliteLog(self.path, replica="r", at=AT)) as log:
            if checkpointed:
                append(log, "a")
                log._file.truncate_wal()
            #: position that is in the file itself
            self.safe = log.head().number if checkpointed else 0
            for number in range(8):
                append(log, "ab"[number % 2], draft("x" * 900 * number), bare())
                self.acknowledged.append((wal.stat().st_size, log.head().number))
            self.file, self.wal = self.path.read_bytes(), wal.read_bytes()
        self.page_bytes = struct.unpack_from(">I", self.wal, 8)[0]

    def sizes(self) -> list[int]:
        """Sizes at and beside every frame's edges, and some between."""
        frame_bytes = FRAME_HEADER_BYTES + self.page_bytes
        edges = range(HEADER_BYTES, len(self.wal) + 1, frame_bytes)
        wanted = {0, 1, HEADER_BYTES - 1} | {edge + off for edge in edges for off in (-1, 0, 1, 24, frame_bytes // 2)}
        return sorted(size for size in wanted if 0 <= size <= len(self.wal))

    def promised(self, size: int) -> int:
        """The last position whose commit is complete in so many bytes."""
        return max([self.safe, *(seq for end, seq in self.acknowledged if end <= size)])

    def open(self, wal: bytes) -> tuple[int, str]:
        """What becomes of a ledger with this write-ahead log: records and the audit's verdict, after one append."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        path = self.folder / "l.db"
        path.write_bytes(self.file)
        path.with_name("l.db-wal").write_bytes(wal)
        with closing(SqliteLog(path, replica="r", at=AT)) as log:
            records = log.head().number
            append(log, "next")
            assert log.head().number == records + 1
            with closing(SqliteReader(path)) as reader:
                assert audit(reader) == audit(log)
            return records, audit(log).verdict


@pytest.fixture(params=[True, False], ids=["checkpointed", "all in the log"])
def torn(tmp_path: Path, request: pytest.FixtureRequest) -> Torn:
    return Torn(tmp_path, checkpointed=request.param)


def test_a_truncated_log(torn: Torn) -> None:
    found = set()
    for size in torn.sizes():
        records, verdict = torn.open(torn.wal[:size])
        assert verdict == "VALID"
        # A ledger of which nothing was complete is new: it has its first record only.
        assert records == max(torn.promised(size), 1), size
        found.add(records)
    assert {seq for _, seq in torn.acknowledged} <= found


def test_an_altered_log(torn: Torn) -> None:
    for at in range(0, len(torn.wal), 1_001):
        changed = bytearray(torn.wal)
        changed[at] ^= 0x40
        # Nothing before the altered frame is lost; from there on SQLite believes nothing.
        frame = max(0, at - HEADER_BYTES) // (FRAME_HEADER_BYTES + torn.page_bytes)
        intact = HEADER_BYTES + frame * (FRAME_HEADER_BYTES + torn.page_bytes) if at >= HEADER_BYTES else 0
        try:
            records, verdict = torn.open(bytes(changed))
        except LedgerError as error:
            pytest.fail(f"byte {at}: {error}")
        assert verdict == "VALID"
        assert records == max(torn.promised(intact), 1), at


def test_a_log_of_noise(torn: Torn) -> None:
    records, verdict = torn.open(b"\x37\x7f\x06\x82" + b"noise" * 2_000)
    assert (records, verdict) == (max(torn.safe, 1), "VALID")
