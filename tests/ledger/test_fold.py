from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ledger.chain import Head
from ledger.envelope import Record, Stored
from ledger.errors import Broken, UnknownEvent, Unreadable
from ledger.fold import Checkpoints, Folder, MemoryCheckpoints
from ledger.log import EVERYTHING, EventLog, Selection
from ledger.memory_log import MemoryLog
from ledger.sqlite_log import SqliteLog
from tests.ledger.making import AT, LEDGER, append, bare, chance, draft, erase


class Counts:
    """How many records of each type there are; erased ones count as `erased`."""

    name = "counts"

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self.decoded = 0

    def initial(self) -> dict[str, int]:
        return {}

    def apply(self, state: dict[str, int], record: Record) -> dict[str, int]:
        if record.event is not None and getattr(record.event, "message", "") == "poison":
            raise ValueError("poison")
        key = record.header.type if record.event is not None else "erased"
        return state | {key: state.get(key, 0) + 1}

    def encode(self, state: dict[str, int]) -> bytes:
        return msgspec.json.encode(state)

    def decode(self, data: bytes) -> dict[str, int]:
        self.decoded += 1
        return msgspec.json.decode(data, type=dict[str, int])


class Counting:
    """A reader that counts what is read from it, and may fail at a position."""

    def __init__(self, log: EventLog) -> None:
        self.log, self.read_records, self.fail_at = log, 0, 0
        self.blobs = log.blobs
        self.head, self.erased, self.astray, self.close = log.head, log.erased, log.astray, log.close

    def read(self, selection: Selection = EVERYTHING) -> Iterator[Stored]:
        for row in self.log.read(selection):
            if row.seq == self.fail_at:
                raise Unreadable("the disk trembles")
            self.read_records += 1
            yield row


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventLog]:
    with closing(
        SqliteLog(tmp_path / "l.db", replica="r", at=AT)
        if request.param == "sqlite"
        else MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    ) as log:
        append(log, "a", draft(), bare(), bare())
        append(log, "b", draft())
        yield log


@pytest.fixture
def kept(log: EventLog) -> Checkpoints:
    return log.checkpoints if isinstance(log, SqliteLog) else MemoryCheckpoints()


COUNTS = {"ledger.created": 1, "run.blocked": 2, "run.succeeded": 2}


def test_a_fold_follows_the_ledger(log: EventLog) -> None:
    folder = Folder(log, Counts())
    assert (folder.catch_up(), folder.state) == (5, COUNTS)
    assert (folder.catch_up(), folder.state) == (0, COUNTS)
    append(log, "b", bare())
    erase(log, [2])
    assert folder.catch_up() == 2
    assert folder.chain.head == log.head()
    # What is erased later was folded before: the state keeps it until the fold starts anew.
    assert folder.state == COUNTS | {"run.succeeded": 3, "ledger.bodies.erased": 1}
    fresh = Folder(log, Counts())
    fresh.catch_up()
    assert fresh.state == folder.state | {"run.blocked": 1, "erased": 1}
    fresh.save()


def test_a_start_reads_only_what_is_new(log: EventLog, kept: Checkpoints) -> None:
    folder = Folder(log, Counts(), checkpoints=kept)
    folder.catch_up()
    folder.save()
    append(log, "a", bare(), draft())
    reader = Counting(log)
    resumed = Folder(reader, Counts(), checkpoints=kept)
    assert resumed.state == COUNTS
    assert resumed.catch_up() == 2
    # Two new records, and the one that the checkpoint names, to see that it is in the chain.
    assert reader.read_records == 3
    assert resumed.chain.head == log.head()
    assert resumed.state == COUNTS | {"run.blocked": 3, "run.succeeded": 3}
    # Both chains go on where they were.
    append(log, "b", bare())
    assert resumed.catch_up() == 1


def resumed_state(log: EventLog, kept: Checkpoints, projection: Counts) -> tuple[int, int]:
    folder = Folder(log, projection, checkpoints=kept)
    read = folder.catch_up()
    whole = Folder(log, Counts())
    whole.catch_up()
    assert folder.state == whole.state
    return projection.decoded, read


def test_a_checkpoint_is_used_only_when_it_fits(log: EventLog, kept: Checkpoints) -> None:
    assert resumed_state(log, kept, Counts()) == (0, 5)
    folder = Folder(log, Counts(), checkpoints=kept)
    folder.save()
    assert resumed_state(log, kept, Counts()) == (0, 5)
    folder.catch_up()
    folder.save()
    assert resumed_state(log, kept, Counts()) == (1, 0)
    assert resumed_state(log, kept, Counts(version=2)) == (0, 5)


def test_a_checkpoint_of_another_chain_is_ignored(log: EventLog, kept: Checkpoints) -> None:
    other = MemoryLog(ledger="f" * 32, at=AT, chance=chance("other"))
    append(other, "a", *[bare()] * 4)
    folder = Folder(other, Counts(), checkpoints=kept)
    folder.catch_up()
    folder.save()
    assert resumed_state(log, kept, Counts()) == (0, 5)
    append(other, "a", *[bare()] * 40)
    folder.catch_up()
    folder.save()
    assert resumed_state(log, kept, Counts()) == (0, 5)


def test_a_damaged_checkpoint_is_ignored(log: EventLog, kept: Checkpoints) -> None:
    folder = Folder(log, Counts(), checkpoints=kept)
    folder.catch_up()
    folder.save()
    found = kept.load("counts")
    assert found is not None
    head, data = found
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        kept.save("counts", head, bytes(changed))
        projection = Counts()
        assert Folder(log, projection, checkpoints=kept).chain.head == Head()
        assert projection.decoded == 0
    for other in (b"", data[:-1], data + b"x", data[:71]):
        kept.save("counts", head, other)
        assert resumed_state(log, kept, Counts()) == (0, 5)
    kept.save("counts", Head(head.number, "sha256:" + "0" * 64), data)
    assert resumed_state(log, kept, Counts()) == (0, 5)
    kept.save("counts", Head(head.number - 1, head.hash), data)
    assert resumed_state(log, kept, Counts()) == (0, 5)
    kept.save("counts", head, data)
    assert resumed_state(log, kept, Counts()) == (1, 0)


def test_a_broken_chain_stops_the_fold() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", draft(), bare(), draft())
    log.rows[3] = log.rows[3]._replace(body=b"{}")
    folder = Folder(log, Counts())
    with pytest.raises(Broken, match="ALTERED at position 4"):
        folder.catch_up()
    with pytest.raises(Broken, match="ALTERED at position 4"):
        folder.catch_up()


def test_an_unknown_event_stops_the_fold() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", draft())
    folder = Folder(log, Counts())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ledger.envelope.body_decoders", {})
        patch.setattr("ledger.envelope.BY_TAG", {})
        with pytest.raises(UnknownEvent, match="no event of this version has this tag"):
            folder.catch_up()
    assert folder.catch_up() == 2


@pytest.mark.parametrize("fail_at", [1, 3, 5])
def test_what_fails_halfway_is_not_half_folded(log: EventLog, fail_at: int) -> None:
    reader = Counting(log)
    folder = Folder(reader, Counts())
    reader.fail_at = fail_at
    with pytest.raises(Unreadable, match="trembles"):
        folder.catch_up()
    reader.fail_at = 0
    folder.catch_up()
    assert folder.state == COUNTS


def test_a_projection_that_raises_is_asked_again(log: EventLog) -> None:
    folder = Folder(log, Counts())
    folder.catch_up()
    append(log, "a", bare(), draft("poison"))
    for _ in range(2):
        with pytest.raises(ValueError, match="poison"):
            folder.catch_up()
        assert (folder.state, folder.chain.head) == ({}, Head())
