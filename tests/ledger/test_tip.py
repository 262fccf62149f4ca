from __future__ import annotations

import pytest

from ledger.chain import START, Chain, Head
from ledger.envelope import Actor, decode_header
from ledger.errors import StaleEpoch, WrongVersion
from ledger.log import Batch
from ledger.tip import Staging, Tip
from tests.ledger.making import AT, LEDGER, chance, draft


def staging(tip: Tip, known: dict[str, Head] | None = None) -> Staging:
    return Staging(
        tip,
        replica="r",
        chance=chance(),
        has_blob=lambda _: True,
        stream_head=lambda name: (known or {}).get(name, Head()),
    )


def batch(stream: str, expected: int, epoch: int = 0) -> Batch:
    return Batch(stream=stream, expected=expected, epoch=epoch, at=AT, drafts=(draft(), draft()))


def test_what_is_not_settled_never_was() -> None:
    tip = Tip(LEDGER)
    first = staging(tip)
    first.genesis(at=AT, software="")
    first.add(batch("a", 0))
    first.open_epoch(actor=Actor(kind="user"), at=AT, reason="", software="")
    assert (tip.head, tip.epoch) == (START, 0)
    second = staging(tip)
    second.genesis(at=AT, software="")
    assert [row.seq for row in second.rows] == [1]
    assert second.stream("a") == START
    second.settle()
    assert tip.head == second.head != START


def test_batches_see_those_before_them() -> None:
    tip = Tip(LEDGER)
    stage = staging(tip)
    stage.genesis(at=AT, software="")
    stage.add(batch("a", 0))
    with pytest.raises(WrongVersion):
        stage.add(batch("a", 0))
    stage.add(batch("a", 2))
    assert stage.open_epoch(actor=Actor(kind="user"), at=AT, reason="", software="") == 1
    with pytest.raises(StaleEpoch):
        stage.add(batch("a", 4))
    stage.add(batch("b", 0, epoch=1))
    stage.settle()
    chain = Chain()
    for row in stage.rows:
        chain.follow(row)
    assert (chain.head, chain.head.number, tip.epoch) == (tip.head, 8, 1)
    assert chain.streams == tip.streams


def test_streams_go_on_where_the_store_has_them() -> None:
    mark = "sha256:" + "b" * 64
    stage = staging(Tip(LEDGER, head=Head(7, mark)), {"a": Head(3, mark)})
    appended = stage.add(batch("a", 3))
    headers = [decode_header(row.header) for row in stage.rows]
    assert [(h.seq, h.ver) for h in headers] == [(8, 4), (9, 5)]
    assert (headers[0].gprev, headers[0].prev) == (mark, mark)
    assert (appended.first_version, appended.stream.number, appended.ledger.number) == (4, 5, 9)
