from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ledger.export.record import records
from ledger.export.spreadsheet import COLUMNS, escaped, restored, spreadsheet
from ledger.log import Selection
from ledger.sqlite_log import SqliteReader
from tests.ledger.command import HOSTILE, hostile

_FORMULA = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 (full-width forms)


def test_the_header_line_stays() -> None:
    first = next(spreadsheet(()))
    assert first == (
        b'"seq","at","type","stream","ver","run","snapshot","stage","op","attempt","outcome","actor_kind","actor_id",'
        b'"actor_how","replica","epoch","intent","idem","req","res","state","body_digest","blobs","prev","gprev",'
        b'"ledger","v","hash","erased","body"\r\n'
    )


def test_no_cell_is_a_formula_and_nothing_is_lost(tmp_path: Path) -> None:
    lines = b"".join(spreadsheet(records(SqliteReader(hostile(tmp_path)), Selection(after=1)))).decode()
    rows = list(csv.reader(io.StringIO(lines, newline="")))
    row = dict(zip(COLUMNS, rows[1], strict=True))
    assert (row["run"], row["stage"], row["stream"]) == ("'=1+1", "'-stage", "'@stream")
    assert restored(row["run"]) == "=1+1"
    assert msgspec.json.decode(restored(row["body"]))["message"] == HOSTILE
    assert not any(cell.startswith(tuple(_FORMULA)) for cells in rows for cell in cells)


@given(st.text() | st.builds(str.__add__, st.sampled_from("'" + _FORMULA), st.text()))
def test_escaping_is_safe_and_reversible(cell: str) -> None:
    assert not escaped(cell).startswith(tuple(_FORMULA))
    assert restored(escaped(cell)) == cell
