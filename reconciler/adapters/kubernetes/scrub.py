"""Takes credentials and the values of Secrets out of what a server said about a request.

Not a detector: it removes values that are known to be secret from the request itself. Invariant: what it returns holds
none of them, neither plain nor base64 nor escaped.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

MASK = "***"
#: Shorter values are only masked where they stand alone: masking every "a" would leave nothing to read.
_SHORT = 6


def secrets_of_body(body: bytes | None) -> list[str]:
    """All leaf values of a Secret object, of a merge patch of one, or of a JSON patch, from the request's body."""
    if not body:
        return []
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return []
    if isinstance(document, list):
        return _spellings(leaf for op in document if isinstance(op, dict) for leaf in _leaves(op.get("value")))
    if not isinstance(document, dict):
        return []
    return _spellings(leaf for field in ("data", "stringData") for leaf in _leaves(document.get(field)))


def scrub(value: Any, secrets: Iterable[str]) -> Any:
    """`value` (JSON-compatible) with every occurrence of a secret masked, in keys and in values."""
    pattern = _pattern(secrets)
    return value if pattern is None else _replace(value, pattern)


def _replace(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, dict):
        return {_replace(key, pattern): _replace(item, pattern) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace(item, pattern) for item in value]
    return value


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first, so that no tail of a long value survives the masking of a short one inside it.
    ordered = sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True)
    parts = [re.escape(s) if len(s) >= _SHORT else rf"(?<![A-Za-z0-9]){re.escape(s)}(?![A-Za-z0-9])" for s in ordered]
    return re.compile("|".join(parts)) if parts else None


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _spellings(values: Iterable[str]) -> list[str]:
    """Each value as it is, decoded from base64, as Go and JSON quote it, and each long line of it alone."""
    found: list[str] = []
    for value in values:
        for text in (value, _from_base64(value)):
            if text:
                found += [text, msgspec.json.encode(text).decode()[1:-1], base64.b64encode(text.encode()).decode()]
                found += [line for line in text.splitlines() if len(line) >= _SHORT]
    return found


def _from_base64(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
