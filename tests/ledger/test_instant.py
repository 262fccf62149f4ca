from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.envelope import Head, Sealer, Writer
from ledger.instant import to_ms, to_text
from tests.ledger.making import draft

#: from the year 1000 on
MILLISECONDS = st.integers(-30_610_224_000_000, 253_402_300_799_999)


@given(MILLISECONDS)
def test_there_and_back(ms: int) -> None:
    text = to_text(ms)
    assert to_ms(text) == ms
    assert datetime.fromisoformat(text) == datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    # Every instant has a place in a header.
    sealer = Sealer(ledger="l", stream="a", writer=Writer(epoch=0, replica="r"), at=text)
    assert sealer.seal((draft(),), gprev=Head(), prev=Head(), salts=(b"s",))


@given(MILLISECONDS, MILLISECONDS)
def test_texts_are_in_order(one: int, other: int) -> None:
    assert (to_text(one) < to_text(other)) is (one < other)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00.000Z", 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.001+01:00", 1),
        ("1970-01-01T00:00:00.001999Z", 1),
        ("2030-01-31T12:00:00.000Z", 1_896_091_200_000),
    ],
)
def test_texts_of_others(text: str, ms: int) -> None:
    assert to_ms(text) == ms


@pytest.mark.parametrize("text", ["", "now", "2030-02-30T00:00:00Z"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (the words are Python's own)
        to_ms(text)


def test_an_offset_is_needed() -> None:
    with pytest.raises(ValueError, match="has no offset from UTC: write it as 2030-01-31T12:00:00Z"):
        to_ms("2030-01-31T12:00:00")
