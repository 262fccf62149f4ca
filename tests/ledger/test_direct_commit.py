from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ledger.audit import audit
from ledger.direct_commit import DirectCommit
from ledger.errors import Closed, StaleEpoch, WrongVersion
from ledger.log import Batch
from ledger.memory_log import MemoryLog
from tests.ledger.making import AT, LEDGER, bare, chance, draft


def one(stream: str, expected: int = 0, epoch: int = 0) -> Batch:
    return Batch(stream=stream, expected=expected, epoch=epoch, at=AT, drafts=(draft(), bare()))


def run(story: Callable[[DirectCommit, MemoryLog], Awaitable[None]]) -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    asyncio.run(story(DirectCommit(log), log))


def test_what_returns_is_recorded() -> None:
    async def story(direct: DirectCommit, log: MemoryLog) -> None:
        appended = await direct.append(one("a"))
        assert appended.stream.number == 2 == log.version("a")
        assert (await direct.append(one("a", 2))).first_version == 3
        assert audit(log).valid

    run(story)


def test_what_is_refused_records_nothing() -> None:
    async def story(direct: DirectCommit, log: MemoryLog) -> None:
        before = log.head()
        with pytest.raises(WrongVersion):
            await direct.append(one("a", 7))
        with pytest.raises(StaleEpoch):
            await direct.append(one("a", epoch=9))
        assert log.head() == before

    run(story)


def test_blobs_come_back_and_a_missing_one_is_none() -> None:
    async def story(direct: DirectCommit, log: MemoryLog) -> None:
        digest = await direct.put_blob(b"content")
        assert await direct.get_blob(digest) == b"content"
        assert await direct.get_blob("sha256:" + "0" * 64) is None

    run(story)


def test_nothing_is_taken_after_close() -> None:
    async def story(direct: DirectCommit, log: MemoryLog) -> None:
        assert await direct.call(log.head) == log.head()
        await direct.close()
        await direct.close()
        with pytest.raises(Closed):
            await direct.append(one("a"))
        with pytest.raises(Closed):
            await direct.put_blob(b"late")

    run(story)
