from __future__ import annotations

from pathlib import Path

import pytest

from ledger.envelope import Stored
from ledger.errors import Broken
from ledger.export.record import checked, records
from ledger.log import Selection
from ledger.sqlite_log import SqliteReader


def test_records_come_with_the_hash_of_their_header(ledger: Path) -> None:
    exported = list(records(SqliteReader(ledger), Selection()))
    assert [record.header.gprev for record in exported[1:]] == [record.mark for record in exported[:-1]]
    assert not any(record.erased for record in exported)


def test_a_header_without_its_body_is_an_erased_one(ledger: Path) -> None:
    stored = next(iter(SqliteReader(ledger).read(Selection(after=66))))
    assert checked(stored._replace(body=None, salt=None)).erased


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"body": b'{"x":1}'}, "ALTERED"),
        ({"salt": None}, "MISSING"),
        ({"seq": 66}, "ALTERED"),
        ({"header": b"{}"}, "UNREADABLE"),
        ({"header": None}, "ALTERED"),
    ],
)
def test_a_record_that_is_not_what_its_header_says_stops_the_export(
    ledger: Path, change: dict[str, object], kind: str
) -> None:
    stored = next(iter(SqliteReader(ledger).read(Selection(after=66))))
    if change.get("header", b"") is None:
        # Still JSON, but it would break the lines of an export.
        change = {"header": stored.header.replace(b",", b",\n", 1)}
    altered = Stored(**{**stored._asdict(), **change})
    with pytest.raises(Broken) as caught:
        checked(altered)
    assert (caught.value.kind, caught.value.seq) == (kind, altered.seq)
