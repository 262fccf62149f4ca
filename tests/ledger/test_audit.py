"""How the audit reports. What it finds is in `test_tamper.py`."""

from __future__ import annotations

import msgspec

from ledger.audit import PROGRESS_EVERY, Report, audit
from ledger.chain import Head
from ledger.envelope import Actor, Header, Stored, Writer, digest, encode_header
from ledger.memory_log import MemoryLog
from tests.ledger.making import AT, LEDGER, append, bare, chance, draft
from tests.ledger.tampering import Rows


def test_progress_is_told() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", *[bare()] * (PROGRESS_EVERY * 2 + 5))
    told: list[int] = []
    report = audit(log, progress=told.append)
    assert told == [PROGRESS_EVERY, PROGRESS_EVERY * 2]
    assert report.records == PROGRESS_EVERY * 2 + 6


def test_a_report_is_plain() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    report = audit(log)
    assert report == Report(verdict="VALID", records=1, streams=1, blobs=0, head=log.head().hash)
    assert report.valid
    assert msgspec.to_builtins(report) == {
        **{"verdict": "VALID", "records": 1, "streams": 1, "blobs": 0, "head": log.head().hash},
    }


def test_a_report_ends_at_the_last_good_record() -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", draft(), draft())
    log.rows[2] = log.rows[2]._replace(body=b"{}")
    report = audit(log)
    assert (report.records, report.streams, report.head) == (2, 2, digest(log.rows[1].header))
    assert (report.valid, report.seq, report.message) == (False, 3, "its body is not the one that its header names")


def ledger(*headers: bytes) -> Rows:
    """A ledger whose chain is right and whose headers are as given: what a faulty writer would have left."""
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    rows, mark = list(log.rows), digest(log.rows[0].header)
    for number, header in enumerate(headers, start=2):
        raw = header.replace(b"GPREV", mark.encode())
        rows.append(Stored(number, raw, None, None))
        mark = digest(raw)
    return Rows(rows, Head(len(rows), mark), log.blobs)


def header(**fields: object) -> bytes:
    given = {
        "actor": Actor(kind="user"), "at": AT, "gprev": "sha256:" + "0" * 64, "ledger": LEDGER, "op": "run", "seq": 2,
        "stream": "a", "type": "run.succeeded", "v": 1, "ver": 1, "writer": Writer(epoch=0, replica="r"),
    } | fields  # fmt: skip
    return encode_header(Header(**given)).replace(b"sha256:" + b"0" * 64, b"GPREV")  # type: ignore[arg-type]


def found(rows: Rows) -> tuple[str, int, str]:
    report = audit(rows)
    return report.verdict, report.seq, report.message


def test_what_a_faulty_writer_leaves() -> None:
    assert found(ledger(header()))[0] == "VALID"
    assert found(ledger(header(ver=2))) == ("GAP", 2, "version 2 of a follows version 0")
    assert found(ledger(header(), header(seq=3, ver=1)))[:2] == ("GAP", 3)
    assert found(ledger(header(ledger="f" * 32), header(seq=3, stream="b")))[:2] == ("ALTERED", 2)
    assert found(ledger(header(prev="sha256:" + "1" * 64)))[:2] == ("ALTERED", 2)
    assert found(ledger(header(type="run.reconsidered")))[:2] == ("UNREADABLE", 2)
    assert found(ledger(header(v=2)))[:2] == ("UNREADABLE", 2)
    assert "use a newer stagesetctl" in found(ledger(header(v=2)))[2]
    assert found(ledger(header() + b" ")) == ("UNREADABLE", 2, "its header is not canonical JSON")
    assert found(ledger(header().replace(b'"op"', b'"zone":"x","op"')))[:2] == ("UNREADABLE", 2)
    assert found(ledger(header(seq=5)))[:2] == ("GAP", 2)


def test_a_blob_that_was_never_there() -> None:
    rows = ledger(header(blobs=("sha256:" + "2" * 64,)))
    assert found(rows) == ("MISSING", 2, f"blob sha256:{'2' * 64} is missing")
