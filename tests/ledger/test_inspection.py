from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.envelope import Actor, Draft
from ledger.errors import Broken
from ledger.events import LedgerBodiesErased
from ledger.inspection import inspect
from ledger.log import HOUSEKEEPING, Batch
from ledger.sqlite_browser import Browser
from ledger.sqlite_log import SqliteLog
from tests.ledger.command import story
from tests.ledger_demo.story import START


def _tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for trigger in ("record_no_update", "record_no_delete"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement)


def _wrong(path: Path, seq: int) -> list[str]:
    with closing(Browser(path)) as browser:
        found = inspect(browser, seq)
    assert found is not None
    assert found.ok is not any(not check.ok for check in found.checks)
    return [check.name for check in found.checks if not check.ok]


def test_every_record_of_a_whole_ledger_fits(tmp_path: Path) -> None:
    path = story(tmp_path)
    assert [_wrong(path, seq) for seq in range(1, 91)] == [[]] * 90


def test_there_is_nothing_outside(tmp_path: Path) -> None:
    with closing(Browser(story(tmp_path))) as browser:
        assert inspect(browser, 0) is None
        assert inspect(browser, 91) is None


@pytest.mark.parametrize(
    ("statement", "seq", "wrong"),
    [
        ("UPDATE record SET header = replace(header, '12:00:58', '12:00:59') WHERE seq = 87", 87, ["header"]),
        ("UPDATE record SET header = replace(header, '12:00:58', '12:00:59') WHERE seq = 87", 88, ["ledger", "stream"]),
        ("UPDATE record SET header = replace(header, '12:01', '12:02') WHERE seq = 90", 90, ["header"]),
        ("UPDATE record SET body = '{}' WHERE seq = 87", 87, ["body"]),
        ("UPDATE record SET body = NULL, salt = NULL WHERE seq = 87", 87, ["body"]),
        ("UPDATE record SET seq = 1087 WHERE seq = 87", 88, ["ledger", "stream"]),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, statement: str, seq: int, wrong: list[str]) -> None:
    path = story(tmp_path)
    _tamper(path, statement)
    assert _wrong(path, seq) == wrong


def test_a_header_that_is_none_stops_it(tmp_path: Path) -> None:
    path = story(tmp_path)
    _tamper(path, "UPDATE record SET header = '{}' WHERE seq = 87")
    with closing(Browser(path)) as browser, pytest.raises(Broken, match="UNREADABLE at position 87"):
        inspect(browser, 87)


def test_an_ordered_erasure_is_no_fault(tmp_path: Path) -> None:
    path = story(tmp_path)
    log = SqliteLog(path, replica="r", at=START)
    draft = Draft(event=LedgerBodiesErased(positions=[87], reason="asked"), actor=Actor(kind="user"))
    log.erase(
        [87],
        batch=Batch(
            stream=HOUSEKEEPING, expected=log.version(HOUSEKEEPING), epoch=log.epoch, at=START, drafts=(draft,)
        ),
    )
    log.close()
    assert _wrong(path, 87) == []
