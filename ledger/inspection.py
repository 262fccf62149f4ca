"""One record, looked at closely: its header, its body, and whether its neighbours confirm it.

Not an audit of the ledger: it reads the record, the one before it in both chains, and the one after it.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.chain import check_body
from ledger.envelope import Header, Stored, decode_header, digest
from ledger.errors import Broken, UnknownEvent
from ledger.log import Selection
from ledger.sqlite_browser import Browser


class Check(NamedTuple):
    """One thing that was held against another: whether it fits, and a sentence."""

    name: str
    ok: bool
    what: str


class Inspection(NamedTuple):
    """A record with its hash and what was checked about it."""

    stored: Stored
    header: Header
    mark: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def inspect(browser: Browser, seq: int) -> Inspection | None:
    """Look at the record at a position; `None` when there is none. Raises `Broken` when its header is unreadable."""
    stored = _at(browser, seq)
    if stored is None:
        return None
    header, mark = _header(stored), digest(stored.header)
    checks = (
        _confirmed(browser, seq, mark),
        _follows(browser, stored, header),
        _stream(browser, header),
        _body(browser, stored, header),
    )
    return Inspection(stored, header, mark, checks)


def _at(browser: Browser, seq: int) -> Stored | None:
    return next(iter(browser.read(Selection(after=seq - 1, until=seq))), None) if seq > 0 else None


def _header(stored: Stored) -> Header:
    try:
        return decode_header(stored.header)
    except UnknownEvent as error:
        raise Broken("UNREADABLE", stored.seq, f"{error.why}; run 'stagesetctl audit verify'") from error


def _confirmed(browser: Browser, seq: int, mark: str) -> Check:
    following = _at(browser, seq + 1)
    if following is not None:
        return Check("header", _header(following).gprev == mark, f"its hash, as position {seq + 1} names it")
    return Check("header", browser.head().hash == mark, "its hash, as the ledger's head names it")


def _follows(browser: Browser, stored: Stored, header: Header) -> Check:
    seq = stored.seq
    if header.seq != seq:
        return Check("position", False, f"its header says position {header.seq}")
    before = _at(browser, seq - 1)
    known = digest(before.header) if before is not None else ""
    return Check("ledger", header.gprev == known, f"it follows position {seq - 1}" if seq > 1 else "it is the first")


def _stream(browser: Browser, header: Header) -> Check:
    earlier = browser.last(1, Selection(stream=header.stream, until=header.seq - 1)) if header.seq > 1 else []
    known = digest(earlier[0].header) if earlier else ""
    what = f"it follows version {header.ver - 1}" if header.ver > 1 else "it is the first of its stream"
    return Check("stream", header.prev == known, what)


def _body(browser: Browser, stored: Stored, header: Header) -> Check:
    try:
        check_body(stored, header)
    except Broken as broken:
        return Check("body", False, broken.why)
    if stored.body is not None:
        return Check("body", True, "it is the one that its header names")
    if not header.body:
        return Check("body", True, "its kind of event has none")
    if browser.erased(stored.seq):
        return Check("body", True, "it was erased on order")
    return Check("body", False, "it is gone and no record says that it was erased")
