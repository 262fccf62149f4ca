from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ledger.chain import Head
from ledger.envelope import Actor, decode_header
from ledger.log import Selection
from ledger.sqlite_browser import Browser
from ledger.sqlite_log import SqliteLog
from tests.ledger.command import story
from tests.ledger_demo.story import NEIGHBOUR, START, STREAM


def test_streams_with_their_last_record_and_run(tmp_path: Path) -> None:
    with closing(Browser(story(tmp_path))) as browser:
        found = {s.name: (s.last.seq, s.run_end.seq if s.run_end else 0) for s in browser.streams()}
    assert found == {"ledger": (2, 0), STREAM: (90, 89), NEIGHBOUR: (66, 66)}


def test_streams_are_found_by_the_index(tmp_path: Path) -> None:
    from ledger import sqlite_browser

    with closing(Browser(story(tmp_path))) as browser, browser._file.reader() as connection:
        plan = connection.execute("EXPLAIN QUERY PLAN " + sqlite_browser._STREAMS).fetchall()
    looks = [str(row[3]) for row in plan if "segment" in row[3]]
    assert looks
    assert all(look.startswith("SEARCH segment") for look in looks)


def test_the_last_records_come_in_order(tmp_path: Path) -> None:
    with closing(Browser(story(tmp_path))) as browser:
        assert [stored.seq for stored in browser.last(3)] == [88, 89, 90]
        backend = browser.last(2, Selection(stage="backend", until=80))
        assert [(stored.seq, decode_header(stored.header).stage) for stored in backend] == [
            (79, "backend"),
            (80, "backend"),
        ]
        assert browser.last(0) == []


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    path = story(tmp_path)
    log = SqliteLog(path, replica="r", at=START)
    pauses = iter(range(4))
    looks: list[int] = []

    def pause() -> None:
        number = next(pauses)
        looks.append(number)
        if number == 2:
            log.open_epoch(actor=Actor(kind="controller"), at=START, reason="test")

    with closing(log), closing(Browser(path)) as browser:
        changes = browser.changes(pause)
        next(changes)
        assert browser.head().number == 90
        next(changes)
        assert looks == [0, 1, 2]
        assert browser.head().number == 91
        changes.close()


def test_a_snapshot_stays_what_it_was(tmp_path: Path) -> None:
    path = story(tmp_path)
    with closing(SqliteLog(path, replica="r", at=START)) as log, closing(Browser(path, snapshot=True)) as browser:
        before = browser.head()
        log.open_epoch(actor=Actor(kind="controller"), at=START, reason="test")
        assert browser.head() == before
        assert [stored.seq for stored in browser.read(Selection(after=88))] == [89, 90]
        assert log.head() == Head(91, log.head().hash)
