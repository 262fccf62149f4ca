from __future__ import annotations

import pytest

from replay.checking import check, opened
from replay.errors import Incomplete, Invalid
from tests.replay import making, parts


def test_read_proved_and_decided_again() -> None:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    assert check(making.opened(data)).verdict == "REPRODUCED"
    assert [header.ver for header in opened(making.opened(data)).headers] == [*range(1, 60)]


def test_a_position_that_is_not_in_it() -> None:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    with pytest.raises(Incomplete, match="positions 3 to 61"):
        check(making.opened(data), until=1_000)


def test_a_chain_that_does_not_hold_is_not_replayed() -> None:
    log = making.failures()
    data = making.bundle(log, *making.failed(log))
    records = list(parts.parsed(data).records)
    records[7] = parts.with_header(records[7], stage="other")
    with pytest.raises(Invalid) as found:
        check(making.opened(parts.with_records(data, records)))
    assert found.value.seq == records[7].seq
