"""CSV that a spreadsheet may open: RFC 4180, every cell quoted, no cell that could be taken for a formula.

A cell that starts with one of `= + - @`, a tab, a line end, an apostrophe or a full-width form of these gets an
apostrophe in front (OWASP, "CSV Injection"). To undo it, drop one leading apostrophe from cells that have it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from ledger.export.record import Exported

#: The header line. It only grows, at its end.
COLUMNS = (
    "seq",
    "at",
    "type",
    "stream",
    "ver",
    "run",
    "snapshot",
    "stage",
    "op",
    "attempt",
    "outcome",
    "actor_kind",
    "actor_id",
    "actor_how",
    "replica",
    "epoch",
    "intent",
    "idem",
    "req",
    "res",
    "state",
    "body_digest",
    "blobs",
    "prev",
    "gprev",
    "ledger",
    "v",
    "hash",
    "erased",
    "body",
)
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")  # noqa: RUF001 (full-width forms)


class _Line:
    """What `csv.writer` writes to: it hands each line back."""

    def write(self, text: str) -> bytes:
        return text.encode()


def spreadsheet(records: Iterable[Exported]) -> Iterator[bytes]:
    """The header line, then one line a record."""
    writer = csv.writer(_Line(), quoting=csv.QUOTE_ALL)
    yield _written(writer.writerow(COLUMNS))
    for record in records:
        yield _written(writer.writerow([escaped(cell) for cell in _cells(record)]))


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell.startswith(_DANGEROUS) else cell


def restored(cell: str) -> str:
    """The reverse of `escaped`."""
    return cell.removeprefix("'")


def _written(line: object) -> bytes:
    # `writerow` returns what `write` returned, which typeshed cannot know.
    if not isinstance(line, bytes):
        raise TypeError(f"csv.writer wrote {line!r}")
    return line


def _cells(record: Exported) -> list[str]:
    header = record.header
    numbers = {"attempt": header.attempt or "", "intent": header.intent or ""}
    special: dict[str, object] = {
        **numbers,
        "actor_kind": header.actor.kind,
        "actor_id": header.actor.id,
        "actor_how": header.actor.how,
        "replica": header.writer.replica,
        "epoch": header.writer.epoch,
        "body_digest": header.body,
        "blobs": " ".join(header.blobs),
        "hash": record.mark,
        "erased": "true" if record.erased else "",
        "body": (record.stored.body or b"").decode(),
    }
    return [str(special[name] if name in special else getattr(header, name)) for name in COLUMNS]
