"""The two hash chains: every header names the hash of the one before it, in its stream and in the ledger.

Pure. `Chain` follows stored records in order and stops at the first one that does not fit. It decides whether a log is
whole; which record of a broken one was altered is the audit's question (`ledger.audit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256 as _sha256

import msgspec

from ledger.envelope import Head, Header, Stored, body_digest
from ledger.errors import Broken

__all__ = ["START", "Chain", "Head", "check_body"]


#: Where nothing was written yet.
START = Head()
#: A `Head` without the detour through Python that its own constructor takes.
head_of: Callable[[tuple[int, str]], Head] = partial(tuple.__new__, Head)
_decode_header = msgspec.json.Decoder(Header).decode


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
        """Take one more record and return its header; raises as `prove` does."""
        ((header, _),) = self.prove((stored,))
        return header

    def prove(self, rows: Iterable[Stored]) -> Iterator[tuple[Header, bytes | None]]:
        """Take records in order; yields the header and body of each once it is proved.

        Raises `Broken` with the class and position. An erased body (`None` where the header names one) passes. `head`
        and `streams` move when the reading ends, and stop before a record that does not fit.

        One loop with local names, and a look into `streams` only where the stream changes: a long ledger is read
        through here, and each call a record would cost as much as a hash.
        """
        streams, ledger, (seq, last) = self.streams, self.ledger, self.head
        stream, ver, prev = "", 0, ""
        try:
            for stored in rows:
                position, raw, body, salt = stored
                if position != seq + 1:
                    raise Broken("MISSING", seq + 1, f"the next record that is there has position {position}")
                try:
                    header = _decode_header(raw)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    raise Broken("UNREADABLE", position, str(error)) from error
                if header.stream != stream or not ver:
                    if ver:
                        streams[stream] = head_of((ver, prev))
                    stream = header.stream
                    ver, prev = streams.get(stream, START)
                if (
                    header.gprev != last
                    or header.seq != position
                    or header.ver != ver + 1
                    or header.prev != prev
                    or header.ledger != ledger
                ):
                    ledger = self._look_closer(header, Head(seq, last), Head(ver, prev))
                if body is not None and (
                    salt is None or "sha256:" + _sha256(b"body/1" + salt + body).hexdigest() != header.body
                ):
                    check_body(stored, header)
                last = prev = "sha256:" + _sha256(raw).hexdigest()
                seq, ver = position, ver + 1
                yield header, body
        finally:
            self.head = Head(seq, last)
            if ver:
                streams[stream] = Head(ver, prev)

    def _look_closer(self, header: Header, head: Head, before: Head) -> str:
        """Raise what does not fit. Only the first record may name a ledger that was not known: it is returned."""
        seq = head.number + 1
        if header.gprev != head.hash:
            raise Broken("ALTERED", seq, "its header does not follow the one before it in the ledger")
        if header.seq != seq:
            raise Broken("REORDERED", seq, f"its header says position {header.seq}")
        if header.ver != before.number + 1:
            raise Broken("GAP", seq, f"version {header.ver} of {header.stream} follows version {before.number}")
        if header.prev != before.hash:
            raise Broken("ALTERED", seq, f"its header does not follow the one before it in {header.stream}")
        if self.ledger:
            raise Broken("ALTERED", seq, f"it belongs to ledger {header.ledger}")
        self.ledger = header.ledger
        return header.ledger


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
