"""The records that an export writes: read in order, each held against its own commitment on the way.

Not an audit: only the neighbours of a header can prove it, and a filtered export skips neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.chain import check_body
from ledger.envelope import Header, Stored, decode_header, digest
from ledger.errors import Broken, UnknownEvent
from ledger.log import Reader, Selection


class Exported(NamedTuple):
    """A record with its decoded header and the hash of that header."""

    stored: Stored
    header: Header
    mark: str

    @property
    def erased(self) -> bool:
        """Whether its body was erased: the header still names one."""
        return self.stored.body is None and bool(self.header.body)


def records(reader: Reader, selection: Selection) -> Iterator[Exported]:
    """Selected records. Raises `Broken` at a record that is not what its header says."""
    for stored in reader.read(selection):
        yield checked(stored)


def checked(stored: Stored) -> Exported:
    """A record to show or to export. Raises `Broken` with its position."""
    try:
        header = decode_header(stored.header)
    except UnknownEvent as error:
        raise Broken("UNREADABLE", stored.seq, f"{error.why}; run 'stagesetctl audit verify'") from error
    if header.seq != stored.seq or b"\n" in stored.header or b"\n" in (stored.body or b""):
        raise Broken("ALTERED", stored.seq, "it is not what was written; run 'stagesetctl audit verify'")
    check_body(stored, header)
    return Exported(stored, header, digest(stored.header))
