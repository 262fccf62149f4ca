from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.log import EventLog
from ledger.memory_log import MemoryLog
from tests.contract.log_contract import LogContract
from tests.ledger.making import AT, LEDGER, append, chance


class TestMemoryLog(LogContract):
    @pytest.fixture
    def log(self) -> Iterator[EventLog]:
        log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
        yield log
        log.close()


def test_the_same_chance_gives_the_same_bytes() -> None:
    logs = [MemoryLog(ledger=LEDGER, at=AT, chance=chance()) for _ in range(2)]
    for log in logs:
        append(log, "a")
    assert logs[0].rows == logs[1].rows
    other = MemoryLog(ledger=LEDGER, at=AT, chance=chance("other"))
    append(other, "a")
    assert other.rows != logs[0].rows
