"""JSON lines: one object a record, complete. Header and body are the stored bytes themselves.

The keys are always there: `seq`, `hash` (of the header's bytes), `header`, `body` (null when there is none), `salt`
(hex) and `erased`. With the salt, `body` can be held against `header.body`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.export.record import Exported


def jsonl(records: Iterable[Exported]) -> Iterator[bytes]:
    """Lines with their newline."""
    for record in records:
        yield line(record)


def line(record: Exported) -> bytes:
    """One record, with its newline."""
    stored = record.stored
    salt = b'"%s"' % stored.salt.hex().encode() if stored.salt is not None else b"null"
    return b'{"seq":%d,"hash":"%s","header":%s,"body":%s,"salt":%s,"erased":%s}\n' % (
        stored.seq,
        record.mark.encode(),
        stored.header,
        stored.body if stored.body is not None else b"null",
        salt,
        b"true" if record.erased else b"false",
    )
