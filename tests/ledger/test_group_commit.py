from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.audit import audit
from ledger.chain import Head
from ledger.envelope import Actor, Packed, digest
from ledger.errors import (
    BlobMissing,
    BlobTooLarge,
    Closed,
    DiskFull,
    NotCanonical,
    StaleEpoch,
    Unavailable,
    WrongVersion,
)
from ledger.group_commit import GROUP_MAX, GroupCommit
from ledger.log import Appended, Batch, EventLog, Result, Selection
from ledger.memory_log import MemoryLog
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, LEDGER, SHA, bare, chance, draft


class Gated(MemoryLog):
    """A log whose writing waits until it is let through, and that may fail."""

    def __init__(self) -> None:
        super().__init__(ledger=LEDGER, at=AT, chance=chance())
        self.gate, self.busy = threading.Event(), threading.Event()
        self.gate.set()
        self.groups: list[int] = []
        self.failure: BaseException | None = None
        self.writers: set[str] = set()

    def append_many(self, batches: Sequence[Batch], *, blobs: Sequence[Packed] = ()) -> list[Result]:
        self.busy.set()
        assert self.gate.wait(30)
        self.groups.append(len(batches))
        self.writers.add(threading.current_thread().name)
        if self.failure is not None:
            raise self.failure
        return super().append_many(batches, blobs=blobs)


def one(stream: str, expected: int = 0, epoch: int = 0, **header: Any) -> Batch:
    return Batch(stream=stream, expected=expected, epoch=epoch, at=AT, drafts=(draft(**header), bare()))


def run(log: EventLog, story: Callable[[GroupCommit], Awaitable[None]]) -> None:
    async def main() -> None:
        group = GroupCommit(log)
        try:
            async with asyncio.timeout(60):
                await story(group)
        finally:
            await group.close()

    asyncio.run(main())
    assert "ledger-writer" not in {thread.name for thread in threading.enumerate()}


async def soon(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (the condition is another thread's)
        await asyncio.sleep(0)


def test_each_task_returns_when_its_events_are_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "l.db"

    async def story(group: GroupCommit) -> None:
        async def work(stream: str) -> None:
            for turn in range(10):
                appended = await group.append(one(stream, expected=2 * turn))
                with closing(SqliteReader(path)) as other:
                    rows = list(other.read(Selection(stream=stream)))
                    assert len(rows) == 2 * turn + 2
                    assert appended.stream == Head(2 * turn + 2, digest(rows[-1].header))
                    assert other.head().number >= appended.ledger.number

        await asyncio.gather(*(work(f"s/{number}") for number in range(16)))

    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        run(log, story)
        assert (audit(log).verdict, audit(log).records) == ("VALID", 1 + 16 * 10 * 2)


def test_what_arrives_together_shares_a_transaction() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.gate.clear()
        first = asyncio.create_task(group.append(one("first")))
        await soon(log.busy.is_set)
        others = [asyncio.create_task(group.append(one(f"s/{number}"))) for number in range(GROUP_MAX + 10)]
        await asyncio.sleep(0)
        log.gate.set()
        results = await asyncio.gather(first, *others)
        assert all(isinstance(result, Appended) for result in results)

    run(log, story)
    assert log.groups == [1, GROUP_MAX, 10]
    assert log.writers == {"ledger-writer"}


def test_blobs_share_the_transaction(tmp_path: Path) -> None:
    async def story(group: GroupCommit) -> None:
        assert isinstance(group.log, SqliteLog)
        commits: list[str] = []
        assert group.log._file._connection is not None
        group.log._file._connection.set_trace_callback(commits.append)
        name = digest(b"content 0")
        results = await asyncio.gather(
            *(group.put_blob(f"content {number}".encode()) for number in range(20)),
            group.append(one("a", blobs=(name,))),
            group.put_blob(object()),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        assert commits.count("COMMIT") == 1
        assert [type(result) for result in results] == [*[str] * 20, Appended, TypeError]
        assert group.log.blobs.get(name) == b"content 0"
        assert await group.put_blob(b"content 0") == name
        assert commits.count("COMMIT") == 1

    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
        run(log, story)
        assert (audit(log).verdict, audit(log).blobs) == ("VALID", 1)


def test_a_blob_that_cannot_be_stored_is_told_to_its_caller() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.failure = DiskFull("/x/l.db")
        results = await asyncio.gather(group.put_blob(b"x"), group.append(one("a")), return_exceptions=True)
        assert [type(result) for result in results] == [DiskFull] * 2

    run(log, story)
    assert list(log.blobs.digests()) == []


def test_the_event_loop_does_not_wait_for_the_disk() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.gate.clear()
        append = asyncio.create_task(group.append(one("a")))
        await soon(log.busy.is_set)
        # The disk is at work and stays at it: the loop goes on all the same.
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not append.done()
        log.gate.set()
        assert (await append).first_version == 1

    run(log, story)


def test_a_refusal_concerns_its_caller_alone() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.gate.clear()
        first = asyncio.create_task(group.append(one("first")))
        await soon(log.busy.is_set)
        wanted = [
            one("a"),
            one("a", expected=5),
            one("b", epoch=3),
            one("c", run="\x00"),
            one("d", blobs=(SHA,)),
            one("e", attempt=2**70),
            one("\ud800"),
            one("b"),
        ]
        tasks = [asyncio.create_task(group.append(batch)) for batch in wanted]
        await asyncio.sleep(0)
        log.gate.set()
        results = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [type(result) for result in results] == [
            *(Appended, Appended, WrongVersion, StaleEpoch, NotCanonical, BlobMissing, NotCanonical, NotCanonical),
            Appended,
        ]

    run(log, story)
    assert log.groups == [1, 8]
    assert audit(log).valid


@pytest.mark.parametrize(
    ("failure", "wanted", "says"),
    [(DiskFull("/x/l.db"), DiskFull, "the disk is full"), (ZeroDivisionError("bug"), Unavailable, "bug")],
)
def test_an_error_of_the_log_reaches_all(failure: Exception, wanted: type[Exception], says: str) -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.failure = failure
        results = await asyncio.gather(*(group.append(one(str(n))) for n in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [wanted] * 5
        assert all(says in str(result) for result in results)
        log.failure = None
        assert (await group.append(one("a"))).first_version == 1

    run(log, story)
    assert audit(log).records == 3


def test_calls_run_in_the_writer_thread_in_their_turn() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        assert await group.call(lambda: threading.current_thread().name) == "ledger-writer"
        epoch = await group.call(lambda: log.open_epoch(actor=Actor(kind="user"), at=AT, reason=""))
        await group.append(one("a", epoch=epoch))
        assert await group.call(lambda: log.version("a")) == 2
        name = await group.put_blob(b"content")
        assert log.blobs.get(name) == b"content"
        with pytest.raises(BlobTooLarge):
            await group.call(lambda: log.blobs.put(b"content", limit_bytes=1))

    run(log, story)


def test_a_call_that_raises_spoils_nothing() -> None:
    def stop() -> None:
        raise StopIteration

    async def story(group: GroupCommit) -> None:
        results = await asyncio.gather(
            group.append(one("a")),
            group.call(lambda: 1 // 0),
            group.call(stop),
            group.append(one("b")),
            group.call(lambda: 3),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [Appended, ZeroDivisionError, RuntimeError, Appended, int]

    run(Gated(), story)


def test_closing_records_what_was_handed_in() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.gate.clear()
        tasks = [asyncio.create_task(group.append(one(str(number)))) for number in range(20)]
        await asyncio.sleep(0)
        closing_down = asyncio.create_task(group.close())
        await asyncio.sleep(0)
        with pytest.raises(Closed):
            await group.append(one("late"))
        with pytest.raises(Closed):
            await group.call(lambda: None)
        log.gate.set()
        await closing_down
        await group.close()
        assert len(await asyncio.gather(*tasks)) == 20

    run(log, story)
    assert audit(log).records == 41


def test_a_cancelled_append_is_recorded_all_the_same() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.gate.clear()
        tasks = [asyncio.create_task(group.append(one("a"))), asyncio.create_task(group.append(one("b", expected=4)))]
        await soon(log.busy.is_set)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        log.gate.set()
        assert (await group.append(one("a", expected=2))).first_version == 3

    run(log, story)


def test_a_closed_log_refuses() -> None:
    log = Gated()

    async def story(group: GroupCommit) -> None:
        log.close()
        with pytest.raises(Closed):
            await group.append(one("a"))

    run(log, story)
