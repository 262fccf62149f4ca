"""The tables of a SQLite ledger. Their names, and those of the columns of `event`, stay for ever.

`record` is the ledger: what the chains cover. `head` remembers its end, `blob` the payloads, `erasure` the bodies that
were erased on order, `segment` is where the records of a stream stand, `mention` where a run or a snapshot is first
named in a stream, `checkpoint` only saves work. Records refuse UPDATE and DELETE; erasing an ordered body is the one
exception. Made with sqlite-utils, which is imported only when a ledger is created.
"""

from __future__ import annotations

import sqlite3

#: `PRAGMA application_id`: "SSLG".
APPLICATION_ID = 0x53534C47
#: `PRAGMA user_version`: the format of the file.
FORMAT = 1

_HEADER_COLUMNS = (
    ("at", "at"),
    ("type", "type"),
    ("stream", "stream"),
    ("ver", "ver"),
    ("run", "run"),
    ("snapshot", "snapshot"),
    ("stage", "stage"),
    ("op", "op"),
    ("attempt", "attempt"),
    ("outcome", "outcome"),
    ("actor_kind", "$.actor.kind"),
    ("actor_id", "$.actor.id"),
    ("actor_how", "$.actor.how"),
    ("replica", "$.writer.replica"),
    ("epoch", "$.writer.epoch"),
    ("intent", "intent"),
    ("idem", "idem"),
    ("req", "req"),
    ("res", "res"),
    ("state", "state"),
    ("body_digest", "body"),
    ("blobs", "blobs"),
    ("prev", "prev"),
    ("gprev", "gprev"),
    ("ledger", "ledger"),
    ("v", "v"),
)

_VIEW = "SELECT seq,\n  {columns},\n  body\nFROM record".format(
    columns=",\n  ".join(f"header ->> '{path}' AS {name}" for name, path in _HEADER_COLUMNS)
)

# WITHOUT ROWID, which sqlite-utils cannot say: the table is its own index.
_SEGMENT = """
CREATE TABLE segment (
  stream TEXT NOT NULL, ver INTEGER NOT NULL, seq INTEGER NOT NULL, records INTEGER NOT NULL,
  PRIMARY KEY (stream, ver)
) STRICT, WITHOUT ROWID
"""

# Streams are found by `segment`, a row for each batch, and not by an index over the headers: an index of expressions
# parses the JSON of every record, which costs as much as writing it. The audit holds segments against the headers.
_TRIGGERS = (
    """
CREATE TRIGGER record_no_delete BEFORE DELETE ON record BEGIN
  SELECT RAISE(ABORT, 'records are permanent: DELETE is refused');
END
""",
    """
CREATE TRIGGER record_no_update BEFORE UPDATE ON record
WHEN NOT (
  NEW.body IS NULL AND NEW.salt IS NULL AND NEW.seq IS OLD.seq AND NEW.header IS OLD.header
  AND EXISTS (SELECT 1 FROM erasure WHERE erasure.seq = OLD.seq)
) BEGIN
  SELECT RAISE(ABORT, 'records are permanent: UPDATE is refused');
END
""",
    """
CREATE TRIGGER record_gapless BEFORE INSERT ON record
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM record) BEGIN
  SELECT RAISE(ABORT, 'records are appended without gaps');
END
""",
    """
CREATE TRIGGER segment_no_delete BEFORE DELETE ON segment BEGIN
  SELECT RAISE(ABORT, 'segments are permanent: DELETE is refused');
END
""",
    """
CREATE TRIGGER segment_no_update BEFORE UPDATE ON segment BEGIN
  SELECT RAISE(ABORT, 'segments are permanent: UPDATE is refused');
END
""",
    """
CREATE TRIGGER erasure_no_delete BEFORE DELETE ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasures are permanent: DELETE is refused');
END
""",
    """
CREATE TRIGGER erasure_no_update BEFORE UPDATE ON erasure BEGIN
  SELECT RAISE(ABORT, 'erasures are permanent: UPDATE is refused');
END
""",
)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of an empty ledger, inside the transaction that the caller has open."""
    from sqlite_utils import Database

    database = Database(connection, recursive_triggers=False, execute_plugins=False)
    database["record"].create(  # type: ignore[union-attr, unused-ignore]
        {"seq": int, "header": str, "body": str, "salt": bytes}, pk="seq", not_null={"header"}, strict=True
    )
    database["head"].create(  # type: ignore[union-attr, unused-ignore]
        {"id": int, "seq": int, "hash": str}, pk="id", not_null={"seq", "hash"}, strict=True
    )
    database["blob"].create(  # type: ignore[union-attr, unused-ignore]
        {"digest": str, "size": int, "packed_digest": str, "data": bytes},
        pk="digest",
        not_null={"size", "packed_digest"},
        strict=True,
    )
    database["erasure"].create({"seq": int, "by": int}, pk="seq", not_null={"by"}, strict=True)  # type: ignore[union-attr, unused-ignore]
    database["mention"].create(  # type: ignore[union-attr, unused-ignore]
        {"name": str, "stream": str, "ver": int}, pk=("name", "stream"), not_null={"ver"}, strict=True
    )
    database["checkpoint"].create(  # type: ignore[union-attr, unused-ignore]
        {"name": str, "seq": int, "hash": str, "data": bytes}, pk="name", not_null={"seq", "hash"}, strict=True
    )
    database.create_view("event", _VIEW)
    for statement in (_SEGMENT, *_TRIGGERS):
        connection.execute(statement)
    connection.execute("INSERT INTO head (id, seq, hash) VALUES (0, 0, '')")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
