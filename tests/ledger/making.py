"""Small helpers to write records in tests: a clock that stands still, chance that repeats, drafts and batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from ledger import events
from ledger.chain import Head
from ledger.envelope import Draft, Stored
from ledger.log import HOUSEKEEPING, Appended, Batch, EventLog, Reader

AT = "2030-01-31T12:00:00.000Z"
LATER = "2030-01-31T12:00:01.000Z"
SHA = "sha256:" + "a" * 64
LEDGER = "0" * 32


def chance(seed: str = "") -> Callable[[int], bytes]:
    """Bytes that look random and are the same in every run."""
    drawn = 0

    def draw(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"{seed}/{drawn}".encode()).digest(count)

    return draw


def draft(text: str = "a sentence", **header: Any) -> Draft:
    """A draft with a body."""
    return Draft(event=events.RunBlocked(reason="NotReady", message=text, generation=1), **header)


def bare(**header: Any) -> Draft:
    """A draft without a body."""
    return Draft(event=events.RunSucceeded(), **header)


def batch(log: EventLog, stream: str, *drafts: Draft, **other: Any) -> Batch:
    """A batch that fits the log as it is now, except for what `other` says."""
    fields: dict[str, Any] = {"expected": log.version(stream), "epoch": log.epoch, "at": AT} | other
    return Batch(stream=stream, drafts=drafts or (draft(),), **fields)


def append(log: EventLog, stream: str, *drafts: Draft, **other: Any) -> Appended:
    return log.append(batch(log, stream, *drafts, **other))


def erase(log: EventLog, positions: Sequence[int], reason: str = "asked for") -> Appended:
    order = Draft(event=events.LedgerBodiesErased(positions=list(positions), reason=reason))
    return log.erase(positions, batch=batch(log, HOUSEKEEPING, order))


def content(reader: Reader) -> tuple[list[Stored], Head, dict[str, bytes], list[bool]]:
    """All that a ledger holds, to be compared."""
    rows = list(reader.read())
    blobs = {name: reader.blobs.get(name) for name in reader.blobs.digests()}
    return rows, reader.head(), blobs, [reader.erased(row.seq) for row in rows]
