"""Whatever is altered in a ledger is caught by the audit, at its position and by its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from ledger.audit import Report, audit
from ledger.chain import Head
from ledger.envelope import Stored, digest
from ledger.log import EventLog
from ledger.memory_log import MemoryLog
from ledger.sqlite_log import SqliteLog, SqliteReader
from tests.ledger.making import AT, LEDGER, append, chance, draft
from tests.ledger.tampering import LARGE, SMALL, Rows, head_of, renumbered, replace_all, unguarded, write_small

#: the last position of the small ledger
LAST = 10
#: positions of the small ledger that have a body
WITH_BODY = (2, 3, 7, 8, 10)


@pytest.fixture(scope="module")
def log() -> EventLog:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    write_small(log)
    assert log.head().number == LAST
    return log


@pytest.fixture
def rows(log: EventLog) -> list[Stored]:
    return list(log.read())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(SqliteLog(tmp_path / "l.db", replica="r", at=AT, chance=chance(), inline_bytes_max=40)) as log:
        write_small(log)
    return tmp_path / "l.db"


def found(log: EventLog, rows: list[Stored], *, head: Head | None = None, expect: Head | None = None) -> Report:
    return audit(Rows(rows, head or log.head(), log.blobs), expect=expect)


def verdict(report: Report) -> tuple[str, int]:
    return report.verdict, report.seq


def flips(data: bytes) -> Iterator[bytes]:
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_the_intact_one_is_valid(log: EventLog, rows: list[Stored], path: Path) -> None:
    report = found(log, rows)
    assert report == Report(verdict="VALID", records=LAST, streams=3, blobs=2, head=log.head().hash, erased=1)
    with closing(SqliteReader(path)) as reader:
        other = audit(reader)
    assert (other.verdict, other.records, other.streams, other.blobs, other.erased) == ("VALID", LAST, 3, 2, 1)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
@pytest.mark.parametrize("part", ["header", "body", "salt"])
def test_every_bit_of_a_record(log: EventLog, rows: list[Stored], part: str, seq: int) -> None:
    before = rows[seq - 1]
    count = 0
    for changed in flips(getattr(before, part) or b""):
        rows[seq - 1] = before._replace(**{part: changed})  # type: ignore[arg-type]
        assert verdict(found(log, rows)) == ("ALTERED", seq), changed
        count += 1
    assert count == len(getattr(before, part) or b"") * 8
    assert bool(count) == (part == "header" or seq in WITH_BODY)


def test_every_bit_of_the_head(log: EventLog, rows: list[Stored]) -> None:
    mark = log.head().hash.encode()
    for changed in flips(mark):
        head = Head(LAST, changed.decode("latin-1"))
        assert verdict(found(log, rows, head=head)) == ("ALTERED", LAST)


@pytest.mark.parametrize("seq", range(1, LAST + 1))
@pytest.mark.parametrize("part", ["header", "body", "salt"])
def test_some_bits_in_the_file(path: Path, part: str, seq: int) -> None:
    with closing(unguarded(path)) as connection:
        ((before,),) = connection.execute(f"SELECT CAST({part} AS BLOB) FROM record WHERE seq = {seq}")
        target = "?" if part == "salt" else "CAST(? AS TEXT)"
        statement = f"UPDATE record SET {part} = {target} WHERE seq = {seq}"
        for changed in list(flips(before or b""))[::97]:
            connection.execute(statement, (changed,))
            with closing(SqliteReader(path)) as reader:
                assert verdict(audit(reader)) == ("ALTERED", seq), changed
        connection.execute(statement, (before,))
    with closing(SqliteReader(path)) as reader:
        assert audit(reader).valid


def test_every_bit_of_an_inline_blob(path: Path) -> None:
    with closing(unguarded(path)) as connection, closing(SqliteReader(path)) as reader:
        ((before,),) = connection.execute("SELECT data FROM blob WHERE digest = ?", (digest(SMALL),))
        for changed in flips(before):
            connection.execute("UPDATE blob SET data = ? WHERE digest = ?", (changed, digest(SMALL)))
            report = audit(reader)
            assert verdict(report) == ("ALTERED", 3), changed
            assert digest(SMALL) in report.message
        connection.execute("UPDATE blob SET data = ? WHERE digest = ?", (before, digest(SMALL)))
        assert audit(reader).valid


@pytest.mark.slow
def test_every_bit_of_a_blob_beside(path: Path) -> None:
    (file,) = path.with_name("l.db.blobs").glob("*/*.zst")
    before = file.read_bytes()
    with closing(SqliteReader(path)) as reader:
        for changed in (*flips(before), *(before[:end] for end in range(len(before))), before + b"\0", before * 2):
            file.write_bytes(changed)
            report = audit(reader)
            assert verdict(report) == ("ALTERED", 6), changed
            assert digest(LARGE) in report.message
        file.write_bytes(before)
        assert audit(reader).valid


@pytest.mark.parametrize("column", ["digest", "packed_digest"])
def test_what_is_known_of_a_blob(path: Path, column: str) -> None:
    with closing(unguarded(path)) as connection, closing(SqliteReader(path)) as reader:
        connection.execute(f"UPDATE blob SET {column} = replace({column}, 'a', 'b') WHERE digest = ?", (digest(SMALL),))
        assert verdict(audit(reader)) == ("MISSING" if column == "digest" else "ALTERED", 3)


def test_blobs_are_removed(path: Path) -> None:
    (file,) = path.with_name("l.db.blobs").glob("*/*.zst")
    file.unlink()
    with closing(unguarded(path)) as connection, closing(SqliteReader(path)) as reader:
        report = audit(reader)
        assert (*verdict(report), report.message) == ("MISSING", 6, f"blob {digest(LARGE)} is missing")
        connection.execute("DELETE FROM blob")
        assert verdict(audit(reader)) == ("MISSING", 3)


def test_a_blob_that_no_record_names_is_looked_at(path: Path) -> None:
    with closing(SqliteLog(path, replica="r", at=AT)) as log:
        name = log.blobs.put(b"nobody names it")
    with closing(unguarded(path)) as connection, closing(SqliteReader(path)) as reader:
        assert audit(reader).valid
        connection.execute("UPDATE blob SET data = x'00' WHERE digest = ?", (name,))
        report = audit(reader)
        assert verdict(report) == ("ALTERED", 0)
        assert name in report.message


# ── bodies and salts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seq", WITH_BODY)
def test_bodies_are_removed(log: EventLog, rows: list[Stored], seq: int) -> None:
    rows[seq - 1] = rows[seq - 1]._replace(body=None, salt=None)
    report = found(log, rows)
    assert verdict(report) == ("MISSING", seq)
    assert report.message == "its body is gone and no record says that it was erased"
    rows[seq - 1] = list(log.read())[seq - 1]._replace(salt=None)
    report = found(log, rows)
    assert (*verdict(report), report.message) == ("MISSING", seq, "the salt of its body is gone")
    rows[seq - 1] = list(log.read())[seq - 1]._replace(body=None)
    assert verdict(found(log, rows)) == ("MISSING", seq)


@pytest.mark.parametrize("seq", WITH_BODY)
def test_an_erasure_that_nobody_ordered(log: EventLog, rows: list[Stored], seq: int) -> None:
    rows[seq - 1] = rows[seq - 1]._replace(body=None, salt=None)
    forged = Rows(rows, log.head(), log.blobs, erased=frozenset({5, seq}))
    # Without the body of the order (position 8) nothing says that position 5 was to be erased.
    assert verdict(audit(forged)) == ("MISSING", 5 if seq == 8 else seq)


@pytest.mark.parametrize("seq", [1, 4, 6, 9])
def test_bodies_are_added(log: EventLog, rows: list[Stored], seq: int) -> None:
    before = rows[seq - 1]
    for changed in (before._replace(body=b"{}"), before._replace(salt=b"x"), before._replace(body=b"{}", salt=b"x")):
        rows[seq - 1] = changed
        assert verdict(found(log, rows)) == ("ALTERED", seq)


def test_an_erased_body_is_put_back_wrong(log: EventLog, rows: list[Stored]) -> None:
    for changed in (rows[4]._replace(body=b'{"reason":"x"}', salt=b"x" * 16), rows[4]._replace(salt=b"x")):
        rows[4] = changed
        assert verdict(found(log, rows)) == ("ALTERED", 5)


def test_bodies_are_swapped(log: EventLog, rows: list[Stored]) -> None:
    one, other = rows[2], rows[9]
    rows[2], rows[9] = (one._replace(body=other.body, salt=other.salt), other._replace(body=one.body, salt=one.salt))
    assert verdict(found(log, rows)) == ("ALTERED", 3)


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("renumber", [False, True])
@pytest.mark.parametrize("seq", range(1, LAST))
def test_records_are_dropped(log: EventLog, rows: list[Stored], seq: int, renumber: bool) -> None:
    del rows[seq - 1]
    changed = renumbered(rows) if renumber else rows
    assert verdict(found(log, changed)) == ("MISSING", seq)
    assert verdict(found(log, changed, head=head_of(changed))) == ("MISSING", seq)


@pytest.mark.parametrize("first", range(1, LAST))
@pytest.mark.parametrize("count", [2, 3])
def test_several_records_are_dropped(log: EventLog, rows: list[Stored], first: int, count: int) -> None:
    if first + count > LAST:
        return
    del rows[first - 1 : first - 1 + count]
    assert verdict(found(log, rows)) == ("MISSING", first)
    assert verdict(found(log, renumbered(rows))) == ("MISSING", first)


@pytest.mark.parametrize("kept", range(1, LAST))
def test_the_end_is_cut_off(log: EventLog, rows: list[Stored], kept: int) -> None:
    whole = log.head()
    del rows[kept:]
    report = found(log, rows)
    assert verdict(report) == ("TRUNCATED", kept + 1)
    assert report.message == f"the ledger remembers {LAST} records, its end is gone"
    # With its head set back a shorter ledger is whole by itself, as long as nothing later was needed: only somebody
    # who knows a later head can tell.
    alone = found(log, rows, head=head_of(rows))
    assert verdict(alone) == (("MISSING", 5) if 5 <= kept < 8 else ("VALID", 0))
    if alone.valid:
        told = found(log, rows, head=head_of(rows), expect=whole)
        assert (*verdict(told), told.message) == (
            *("TRUNCATED", kept + 1),
            f"it had {LAST} records once, its end is gone",
        )


def test_everything_is_gone(log: EventLog) -> None:
    assert verdict(found(log, [])) == ("TRUNCATED", 1)
    assert verdict(found(log, [], head=Head())) == ("VALID", 0)
    assert verdict(audit(Rows([], Head(), log.blobs), expect=log.head())) == ("TRUNCATED", 1)


@pytest.mark.parametrize("one", range(1, LAST + 1))
def test_records_are_swapped(log: EventLog, one: int) -> None:
    for other in range(one + 1, LAST + 1):
        rows = list(log.read())
        rows[one - 1], rows[other - 1] = rows[other - 1], rows[one - 1]
        changed = renumbered(rows)
        assert verdict(found(log, changed)) == ("REORDERED", one), other
        assert verdict(found(log, changed, head=head_of(changed))) == ("REORDERED", one), other


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_records_are_duplicated(log: EventLog, seq: int) -> None:
    for after in range(LAST + 1):
        rows = list(log.read())
        rows.insert(after, rows[seq - 1])
        changed = renumbered(rows)
        # A copy directly before or after the original gives the same rows: the second of the two is the wrong one.
        wrong = after + 2 if after == seq - 1 else after + 1
        assert verdict(found(log, changed)) == ("REORDERED", wrong), after
        assert verdict(found(log, changed, head=head_of(changed))) == ("REORDERED", wrong), after


@pytest.mark.parametrize("seq", range(1, LAST + 1))
def test_records_are_overwritten_by_others(log: EventLog, seq: int) -> None:
    for place in set(range(1, LAST + 1)) - {seq}:
        rows = list(log.read())
        rows[place - 1] = rows[seq - 1]._replace(seq=place)
        # An earlier record that is there a second time stands out of order; a later one shows that one is missing.
        assert verdict(found(log, rows)) == ("REORDERED" if seq < place else "MISSING", place), place


SEGMENTS = [
    ("DELETE FROM segment WHERE seq = {seq}", 0),
    ("UPDATE segment SET stream = 'c' WHERE seq = {seq}", 0),
    ("UPDATE segment SET ver = ver + 7 WHERE seq = {seq}", 0),
    ("UPDATE segment SET seq = seq + 1 WHERE seq = {seq}", 0),
    ("UPDATE segment SET seq = -seq WHERE seq = {seq}", 0),
    ("UPDATE segment SET records = 0 WHERE seq = {seq}", 0),
    ("UPDATE segment SET records = -1 WHERE seq = {seq}", 0),
    ("UPDATE segment SET records = records + 1 WHERE seq = {seq}", 1),
    ("INSERT INTO segment SELECT 'c', ver, seq, records FROM segment WHERE seq = {seq}", 1),
]


@pytest.mark.parametrize(("statement", "after"), SEGMENTS, ids=lambda value: str(value)[:60])
def test_what_leads_from_a_stream_to_its_records(path: Path, statement: str, after: int) -> None:
    with closing(unguarded(path)) as connection, closing(SqliteReader(path)) as reader:
        segments = connection.execute("SELECT * FROM segment ORDER BY seq").fetchall()
        assert sum(records for *_, records in segments) == LAST
        for _, _, seq, records in segments:
            connection.execute("BEGIN")
            connection.execute(statement.format(seq=seq))
            connection.execute("COMMIT")
            report = audit(reader)
            # An end that reaches too far shows where it does, and a second segment where the first one is read.
            places = {seq, seq + records} if after else {seq, 1}
            assert report.verdict == ("TRUNCATED" if report.seq > LAST else "ALTERED"), (seq, statement)
            assert report.seq in places, (seq, statement)
            connection.execute("DELETE FROM segment")
            assert verdict(audit(reader)) == ("ALTERED", 1)
            connection.executemany("INSERT INTO segment VALUES (?, ?, ?, ?)", segments)
        assert audit(reader).valid


@pytest.mark.parametrize("place", range(1, LAST + 2))
def test_a_record_of_another_ledger(log: EventLog, place: int) -> None:
    other = MemoryLog(ledger="f" * 32, at=AT, chance=chance("other"))
    write_small(other)
    append(other, "a", draft("eleventh"))
    foreign = list(other.read())
    rows = list(log.read())
    rows[place - 1 : place] = [foreign[place - 1]]
    assert verdict(found(log, rows)) == ("ALTERED", place)
    inserted = list(log.read())
    inserted.insert(place - 1, foreign[place - 1])
    changed = renumbered(inserted)
    # Of two first records nothing tells which is the right one: the second stands where it was not written.
    wanted = ("ALTERED", place) if place > 1 else ("REORDERED", 2)
    assert verdict(found(log, changed)) == wanted
    assert verdict(found(log, changed, head=head_of(changed))) == wanted


def test_another_ledger_altogether(log: EventLog) -> None:
    other = MemoryLog(ledger="f" * 32, at=AT, chance=chance("other"))
    write_small(other)
    assert audit(other).valid
    assert verdict(audit(other, expect=log.head())) == ("ALTERED", LAST)
    assert verdict(audit(other, expect=other.head())) == ("VALID", 0)
    assert verdict(audit(log, expect=head_of(list(log.read())[:4]))) == ("VALID", 0)


def test_the_same_in_the_file(log: EventLog, path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        rows, head = list(reader.read()), reader.head()
    swapped = renumbered([*rows[:2], rows[3], rows[2], *rows[4:]])
    for changed, other, wanted in [
        (rows[:3] + rows[4:], head, ("MISSING", 4)),
        (renumbered(rows[:3] + rows[4:]), head, ("MISSING", 4)),
        (rows[1:], head, ("MISSING", 1)),
        (rows[:-1], head, ("TRUNCATED", LAST)),
        # The file still knows how far its streams went.
        (rows[:-1], head_of(rows[:-1]), ("TRUNCATED", LAST)),
        (swapped, head, ("REORDERED", 3)),
        (renumbered([*rows[:4], *rows[1:]]), head, ("REORDERED", 5)),
        ([*rows[:2], list(log.read())[2], *rows[3:]], head, ("ALTERED", 3)),
        (rows, Head(LAST + 5, head.hash), ("TRUNCATED", LAST + 1)),
        (rows, Head(LAST - 1, head.hash), ("ALTERED", LAST - 1)),
        (rows, head, ("VALID", 0)),
    ]:
        replace_all(path, changed, other)
        with closing(SqliteReader(path)) as reader:
            assert verdict(audit(reader)) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_is_cut_or_filled_with_noise(path: Path, seed: int) -> None:
    """SQLite's own pages: whatever happens, nothing but a verdict or an error of ours comes out."""
    from ledger.errors import LedgerError

    before, noise = path.read_bytes(), Random(seed)
    verdicts = set()
    for start in range(0, len(before), 1_024):
        for changed in (before[:start], before[:start] + noise.randbytes(512) + before[start + 512 :]):
            path.write_bytes(changed)
            try:
                with closing(SqliteReader(path)) as reader:
                    verdicts.add(audit(reader).verdict)
            except LedgerError as error:
                verdicts.add(f"{type(error).__name__} {str(error).startswith(f'{path}: ')}")
    assert "Damaged True" in verdicts
    assert not [verdict for verdict in verdicts if verdict.endswith("False")]
