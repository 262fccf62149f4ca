from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger.audit import audit
from ledger.envelope import Actor, Draft, decode_header
from ledger.events import VerifyFinished
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, SHA, append, bare, draft, erase

#: The names that queries and dashboards of others rely on. They stay for ever.
EVENT_COLUMNS = [
    *("seq", "at", "type", "stream", "ver", "run", "snapshot", "stage", "op", "attempt", "outcome"),
    *("actor_kind", "actor_id", "actor_how", "replica", "epoch", "intent", "idem", "req", "res", "state"),
    *("body_digest", "blobs", "prev", "gprev", "ledger", "v", "body"),
]
TABLES = {
    "record": ["seq", "header", "body", "salt"],
    "head": ["id", "seq", "hash"],
    "blob": ["digest", "size", "packed_digest", "data"],
    "erasure": ["seq", "by"],
    "segment": ["stream", "ver", "seq", "records"],
    "mention": ["name", "stream", "ver"],
    "checkpoint": ["name", "seq", "hash", "data"],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT)) as log:
        append(log, "a", draft("one"), bare(), draft("two"))
        erase(log, [2])
    return tmp_path / "l.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM record WHERE seq = 3", "DELETE is refused"),
        ("DELETE FROM record", "DELETE is refused"),
        ("UPDATE record SET header = header || ' ' WHERE seq = 3", "UPDATE is refused"),
        ("UPDATE record SET body = '{}' WHERE seq = 4", "UPDATE is refused"),
        ("UPDATE record SET body = NULL, salt = NULL WHERE seq = 4", "UPDATE is refused"),
        ("UPDATE record SET salt = x'00' WHERE seq = 4", "UPDATE is refused"),
        ("UPDATE record SET seq = 99 WHERE seq = 5", "UPDATE is refused"),
        ("UPDATE record SET body = '{}' WHERE seq = 2", "UPDATE is refused"),
        ("UPDATE record SET header = '{}' WHERE seq = 2", "UPDATE is refused"),
        ("UPDATE record SET seq = 99 WHERE seq = 2", "UPDATE is refused"),
        ("UPDATE OR REPLACE record SET seq = 3 WHERE seq = 5", "UPDATE is refused"),
        (
            "INSERT OR REPLACE INTO record SELECT 3, header, body, salt FROM record WHERE seq = 4",
            "without gaps",
        ),
        ("INSERT INTO record VALUES (7, '{}', NULL, NULL)", "without gaps"),
        ("INSERT INTO record VALUES (0, '{}', NULL, NULL)", "without gaps"),
        ("INSERT INTO record VALUES (NULL, '{}', NULL, NULL)", "without gaps"),
        ("INSERT INTO record VALUES (6, NULL, NULL, NULL)", "NOT NULL"),
        ("INSERT INTO record VALUES (6, '{}', x'00', NULL)", "cannot store BLOB value in TEXT"),
        ("DELETE FROM erasure", "erasures are permanent"),
        ("UPDATE erasure SET seq = 3", "erasures are permanent"),
        ("DELETE FROM segment", "segments are permanent"),
        ("UPDATE segment SET seq = 3", "segments are permanent"),
    ],
)
def test_what_sql_cannot_do(connection: sqlite3.Connection, statement: str, why: str) -> None:
    tables = "SELECT * FROM record", "SELECT * FROM segment"
    before = [connection.execute(table).fetchall() for table in tables]
    with pytest.raises(sqlite3.IntegrityError, match=why):
        connection.execute(statement)
    assert [connection.execute(table).fetchall() for table in tables] == before
    assert connection.execute("SELECT seq, by FROM erasure").fetchall() == [(2, 5)]


def test_a_replacing_insert_deletes_nothing(connection: sqlite3.Connection) -> None:
    """Through a unique index it would have deleted the older record of the same version, past every trigger."""
    before = connection.execute("SELECT * FROM record").fetchall()
    connection.execute("REPLACE INTO record SELECT 6, header, body, salt FROM record WHERE seq = 4")
    assert connection.execute("SELECT * FROM record WHERE seq < 6").fetchall() == before


def test_gapless_from_the_first_on(connection: sqlite3.Connection) -> None:
    connection.execute('INSERT INTO record VALUES (6, \'{"stream":"x","ver":1}\', NULL, NULL)')
    with pytest.raises(sqlite3.IntegrityError, match="without gaps"):
        connection.execute('INSERT INTO record VALUES (8, \'{"stream":"x","ver":2}\', NULL, NULL)')


def test_the_names_stay(connection: sqlite3.Connection) -> None:
    found = {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in TABLES}
    assert found == TABLES
    assert [row[1] for row in connection.execute("PRAGMA table_info(event)")] == EVENT_COLUMNS
    tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    strict = {name: bool(flag) for name, flag in tables if not name.startswith("sqlite_")}
    assert strict == dict.fromkeys(TABLES, True)
    assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"SSLG", "big"),)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_every_header_field_is_a_column(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "l.db", replica="r-1", at=AT)) as log:
        blob = log.blobs.put(b"x")
        append(log, "a")
        fields: dict[str, Any] = {"run": "r", "snapshot": SHA, "stage": "db", "attempt": 2, "outcome": "failed"}
        fields |= {"intent": 1, "idem": "key", "req": SHA, "res": SHA, "state": SHA, "blobs": (blob,)}
        wanted = Draft(
            event=VerifyFinished(message="it is not ready", evidence={"pods": 3}),
            actor=Actor(kind="user", id="jane", how="annotation"),
            **fields,
        )
        append(log, "a", wanted)
        header = decode_header(list(log.read())[-1].header)
    with closing(sqlite3.connect(tmp_path / "l.db")) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM event WHERE seq = 3").fetchone())
        assert (
            connection.execute("SELECT body ->> '$.evidence.pods' FROM event WHERE outcome = 'failed'").fetchone()[0]
            == 3
        )
    assert row == {
        **{name: getattr(header, name) for name in set(EVENT_COLUMNS) & set(header.__struct_fields__)},
        **{"actor_kind": "user", "actor_id": "jane", "actor_how": "annotation", "replica": "r-1", "epoch": 0},
        **{"body_digest": header.body, "blobs": f'["{blob}"]', "body": row["body"]},
    }
    # Each field of a header is to be found in the view.
    assert set(header.__struct_fields__) - set(EVENT_COLUMNS) == {"actor", "writer"}


def test_what_sql_can_do_is_found(connection: sqlite3.Connection, path: Path) -> None:
    """An erasure by hand passes the triggers; the audit finds that no record orders it."""
    connection.execute("INSERT INTO erasure VALUES (4, 5)")
    connection.execute("UPDATE record SET body = NULL, salt = NULL WHERE seq = 4")
    with closing(SqliteReader(path)) as reader:
        report = audit(reader)
    assert (report.verdict, report.seq) == ("MISSING", 4)
