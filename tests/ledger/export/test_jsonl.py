from __future__ import annotations

from pathlib import Path

import msgspec

from ledger.envelope import body_digest, digest
from ledger.export.jsonl import jsonl, line
from ledger.export.record import checked, records
from ledger.log import Selection
from ledger.sqlite_log import SqliteReader


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    seq: int
    hash: str
    header: msgspec.Raw
    body: msgspec.Raw
    salt: str | None
    erased: bool


def test_a_line_can_be_held_against_the_ledger(ledger: Path) -> None:
    before = ""
    for number, text in enumerate(jsonl(records(SqliteReader(ledger), Selection())), start=1):
        assert text.endswith(b"}\n")
        found = msgspec.json.decode(text, type=_Line)
        header = msgspec.json.decode(found.header)
        assert found.seq == header["seq"] == number
        assert digest(bytes(found.header)) == found.hash
        assert header.get("gprev", "") == before
        if found.salt is not None:
            assert body_digest(bytes.fromhex(found.salt), bytes(found.body)) == header["body"]
        before = found.hash
    assert before == SqliteReader(ledger).head().hash


def test_an_erased_body_is_null_and_said_so(ledger: Path) -> None:
    stored = next(iter(SqliteReader(ledger).read(Selection(after=66))))
    found = msgspec.json.decode(line(checked(stored._replace(body=None, salt=None))), type=_Line)
    assert (bytes(found.body), found.salt, found.erased) == (b"null", None, True)
