"""RFC 3339 instants as the API server accepts them.

Not a clock: nothing here knows the current time.
"""

from __future__ import annotations

import re
from datetime import datetime

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)


def is_valid(text: str) -> bool:
    """Whether the text is an RFC 3339 instant of the real calendar, with a zone."""
    return _RFC3339.fullmatch(text) is not None and _read(text) is not None


def parse(text: str) -> datetime:
    """The instant, aware, to the microsecond. Raises `ValueError` for text that `is_valid` refuses."""
    found = _read(text) if _RFC3339.fullmatch(text) else None
    if found is None:
        raise ValueError(f'"{text}" is not an RFC 3339 time such as 2006-01-02T15:04:05Z')
    return found


def _read(text: str) -> datetime | None:
    # Python 3.11 reads at most six digits of a second's fraction, and no lower-case z; the API allows both.
    cut = re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text.upper())
    try:
        return datetime.fromisoformat(cut)
    except ValueError:
        return None
