from __future__ import annotations

import pytest

from ledger.chain import START, Chain, Head, check_body
from ledger.envelope import Stored, decode_header, digest
from ledger.errors import Broken
from ledger.memory_log import MemoryLog
from tests.ledger.making import AT, LEDGER, append, bare, chance, draft, erase
from tests.ledger.tampering import renumbered, write_small


@pytest.fixture
def rows() -> list[Stored]:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    write_small(log)
    return log.rows


def follow(rows: list[Stored], chain: Chain | None = None) -> Chain:
    chain = chain or Chain()
    for row in rows:
        chain.follow(row)
    return chain


def broken(rows: list[Stored], chain: Chain | None = None) -> tuple[str, int]:
    with pytest.raises(Broken) as caught:
        follow(rows, chain)
    assert str(caught.value) == f"{caught.value.kind} at position {caught.value.seq}: {caught.value.why}"
    return caught.value.kind, caught.value.seq


def test_a_whole_ledger(rows: list[Stored]) -> None:
    chain = follow(rows)
    assert chain.head == Head(10, digest(rows[-1].header))
    assert chain.ledger == LEDGER
    assert {name: head.number for name, head in chain.streams.items()} == {"ledger": 3, "a": 4, "b": 3}
    assert Head(0, "") == START


def test_going_on_from_where_it_stopped(rows: list[Stored]) -> None:
    chain = follow(rows[:4])
    other = Chain(ledger=chain.ledger, head=chain.head, streams=dict(chain.streams))
    assert follow(rows[4:], other).head == Head(10, digest(rows[-1].header))
    assert chain.follow(rows[4]).seq == 5


def test_what_does_not_follow(rows: list[Stored]) -> None:
    assert broken(rows[1:]) == ("MISSING", 1)
    assert broken(rows[:2] + rows[3:]) == ("MISSING", 3)
    assert broken(renumbered(rows[:2] + rows[3:])) == ("ALTERED", 3)
    assert broken([rows[0], rows[0]]) == ("MISSING", 2)
    assert broken([rows[0]._replace(header=b"{}")]) == ("UNREADABLE", 1)
    assert broken([rows[0], rows[1]._replace(header=rows[1].header.replace(b"jane", b"john")), rows[2]])[0] == "ALTERED"


def changed(row: Stored, old: bytes, new: bytes) -> Stored:
    assert row.header.count(old) == 1
    return row._replace(header=row.header.replace(old, new))


def test_each_field_of_the_chain(rows: list[Stored]) -> None:
    assert broken([rows[0], changed(rows[1], b'"seq":2', b'"seq":3')]) == ("REORDERED", 2)
    assert broken([rows[0], changed(rows[1], b'"ver":2', b'"ver":3')]) == ("GAP", 2)
    mark = digest(rows[0].header).encode()
    assert rows[1].header.count(mark) == 2
    before, one, between, two, after = rows[1].header.partition(mark)[0], mark, b"", mark, b""
    first, second = rows[1].header.split(mark)[0], rows[1].header.split(mark)
    assert (before, one, between, two, after) == (first, mark, b"", mark, b"")
    other = b"sha256:" + b"0" * 64
    assert broken([rows[0], rows[1]._replace(header=second[0] + other + second[1] + mark + second[2])]) == (
        "ALTERED",
        2,
    )
    assert broken([rows[0], rows[1]._replace(header=second[0] + mark + second[1] + other + second[2])]) == (
        "ALTERED",
        2,
    )
    assert broken([rows[0], changed(rows[1], LEDGER.encode(), b"f" * 32)]) == ("ALTERED", 2)
    assert broken(rows[:1], Chain(ledger="f" * 32)) == ("ALTERED", 1)


def test_bodies() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", draft("x"), bare())
    erase(log, [2])
    append(log, "a", draft("y"))
    follow(log.rows)
    erased, empty, whole = log.rows[1], log.rows[2], log.rows[4]
    for row, kind in [
        (whole._replace(body=b"{}"), "ALTERED"),
        (whole._replace(salt=b""), "ALTERED"),
        (whole._replace(salt=None), "MISSING"),
        (empty._replace(body=b"{}", salt=b"x"), "ALTERED"),
        (erased._replace(body=b"{}", salt=b"x"), "ALTERED"),
    ]:
        with pytest.raises(Broken) as caught:
            check_body(row, decode_header(row.header))
        assert (caught.value.kind, caught.value.seq) == (kind, row.seq)
    assert broken([*log.rows[:4], whole._replace(body=b"{}")]) == ("ALTERED", 5)
