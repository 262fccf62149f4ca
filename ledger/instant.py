"""Instants as the envelope writes them: RFC 3339, UTC, three decimals. Not a clock: it never asks what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def to_text(ms: int) -> str:
    """Milliseconds since 1970 as `2030-01-31T12:00:00.000Z`."""
    return (_EPOCH + ms * _MS).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def to_ms(text: str) -> int:
    """The reverse, for any RFC 3339 instant with an offset. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write it as 2030-01-31T12:00:00Z")
    return (moment - _EPOCH) // _MS
