"""The two hash chains: every header names the hash of the one before it, in its stream and in the ledger.

Pure. `Chain` follows stored records in order and stops at the first one that does not fit. It decides whether a log is
whole; which record of a broken one was altered is the audit's question (`ledger.audit`).
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.envelope import Header, Stored, body_digest, decode_header, digest
from ledger.errors import Broken, UnknownEvent


class Head(NamedTuple):
    """The last record of a ledger or of a stream: its number (`seq` or `ver`) and the hash of its header.

    Number 0 with an empty hash is where nothing was written yet.
    """

    number: int = 0
    hash: str = ""


#: Where nothing was written yet.
START = Head()


class Chain:
    """Follows both chains from a starting point, the genesis by default."""

    __slots__ = ("head", "ledger", "streams")

    def __init__(self, *, ledger: str = "", head: Head = START, streams: dict[str, Head] | None = None) -> None:
        #: id of the ledger; learned from the first record when empty
        self.ledger = ledger
        #: the last record that was followed
        self.head = head
        #: the same for each stream
        self.streams: dict[str, Head] = streams if streams is not None else {}

    def follow(self, stored: Stored) -> Header:
        """Take one more record and return its header.

        Raises `Broken` with the class and position. An erased body (`None` where the header names one) passes.
        """
        seq = self.head.number + 1
        if stored.seq != seq:
            raise Broken("MISSING", seq, f"the next record that is there has position {stored.seq}")
        try:
            header = decode_header(stored.header)
        except UnknownEvent as error:
            raise Broken("UNREADABLE", seq, error.why) from error
        before = self.streams.get(header.stream, START)
        if (
            header.gprev != self.head.hash
            or header.seq != seq
            or header.ver != before.number + 1
            or header.prev != before.hash
            or header.ledger != self.ledger
        ):
            self._look_closer(header, before, seq=seq)
        check_body(stored, header)
        mark = digest(stored.header)
        self.head = Head(seq, mark)
        self.streams[header.stream] = Head(header.ver, mark)
        return header

    def _look_closer(self, header: Header, before: Head, *, seq: int) -> None:
        """Raise what does not fit. Only the first record may name a ledger that was not known."""
        if header.gprev != self.head.hash:
            raise Broken("ALTERED", seq, "its header does not follow the one before it in the ledger")
        if header.seq != seq:
            raise Broken("REORDERED", seq, f"its header says position {header.seq}")
        if header.ver != before.number + 1:
            raise Broken("GAP", seq, f"version {header.ver} of {header.stream} follows version {before.number}")
        if header.prev != before.hash:
            raise Broken("ALTERED", seq, f"its header does not follow the one before it in {header.stream}")
        if header.ledger != self.ledger:
            if self.ledger:
                raise Broken("ALTERED", seq, f"it belongs to ledger {header.ledger}")
            self.ledger = header.ledger


def check_body(stored: Stored, header: Header) -> None:
    """Hold a body against the header's commitment. Raises `Broken`; an erased body passes."""
    if stored.body is None:
        return
    if not header.body:
        raise Broken("ALTERED", stored.seq, "it has a body that its header does not know")
    if stored.salt is None:
        raise Broken("MISSING", stored.seq, "the salt of its body is gone")
    if body_digest(stored.salt, stored.body) != header.body:
        raise Broken("ALTERED", stored.seq, "its body is not the one that its header names")
