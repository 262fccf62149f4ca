"""Looking around in a SQLite ledger: the questions that its indexes answer without reading everything.

Read-only, like its base. What it returns are stored records: it proves nothing, that is the audit's work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ledger.envelope import Stored
from ledger.log import EVERYTHING, Selection
from ledger.sqlite_log import BY_SEGMENT, COLUMNS, SqliteReader, selected

_RUN_ENDS = ("run.failed", "run.succeeded", "run.superseded")

# SQLite has no skip scan: one seek for each stream.
_STREAMS = """
WITH RECURSIVE known(name) AS (
  SELECT min(stream) FROM segment
  UNION ALL
  SELECT (SELECT min(stream) FROM segment WHERE stream > known.name) FROM known WHERE known.name IS NOT NULL
)
SELECT name FROM known WHERE name IS NOT NULL
"""
_OF_STREAM = f"SELECT {COLUMNS} FROM {BY_SEGMENT} WHERE segment.stream = ?"  # noqa: S608 (only constants are pasted)
_NEWEST = " ORDER BY segment.ver DESC, record.seq DESC LIMIT 1"


class StreamSummary(NamedTuple):
    """One stream: its last record, and the one that ended its last finished run."""

    name: str
    last: Stored
    run_end: Stored | None


class Browser(SqliteReader):
    """A reader that also knows the streams, the end, and when something was added."""

    def streams(self) -> Iterator[StreamSummary]:
        """All streams by name."""
        ends = f" AND header ->> 'type' IN ({', '.join('?' * len(_RUN_ENDS))})"
        with self._file.reader() as connection:
            for (name,) in connection.execute(_STREAMS):
                last = connection.execute(_OF_STREAM + _NEWEST, (name,)).fetchone()
                end = connection.execute(_OF_STREAM + ends + _NEWEST, (name, *_RUN_ENDS)).fetchone()
                yield StreamSummary(name, Stored._make(last), Stored._make(end) if end else None)

    def last(self, count: int, selection: Selection = EVERYTHING) -> list[Stored]:
        """The last `count` selected records, in the order of the ledger."""
        source, values = selected(selection)
        with self._file.reader() as connection:
            sql = f"SELECT {COLUMNS} FROM {source} ORDER BY record.seq DESC LIMIT ?"  # noqa: S608 (only constants are pasted)
            rows = connection.execute(sql, (*values, count)).fetchall()
        return [Stored._make(row) for row in reversed(rows)]

    def changes(self, pause: Callable[[], None]) -> Iterator[None]:
        """One item now, then one whenever something was committed; `pause` is called between two looks.

        A look is one `PRAGMA data_version`: no lock is held and nothing is read meanwhile.
        """
        seen = None
        with self._file.reader() as connection:
            while True:
                found = connection.execute("PRAGMA data_version").fetchone()[0]
                if found != seen:
                    seen = found
                    yield
                pause()
