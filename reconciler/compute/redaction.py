"""Scrubs known secret values from text that somebody else wrote: errors of outside programs, API messages, log tails.

Not the guard of rendered objects (`secrecy` replaces their leaves by comparing): this one knows values and looks
for their usual encodings. Rule: values of fewer than `LENGTH_MIN` bytes are not looked for; they would shred every
text and hide nothing.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

LENGTH_MIN = 4
#: Lines of a longer value (a PEM key, a config file) are looked for one by one from this length on.
LINE_LENGTH_MIN = 8
MASK = "[redacted]"


class Redactor:
    """Replaces every known value by `[redacted]`, raw and in base64 (all alignments), URL, JSON and hex form."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def scrub(self, text: str) -> str:
        """The text without the values; the same text when none occurs."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def finds(self, text: str) -> bool:
        """Whether any form of any value occurs in the text."""
        # One by one: a search for a plain string is that much faster than for many at once.
        return any(form in text for form in self._forms)


def _forms(value: str) -> Iterator[str]:
    stripped = value.strip()
    if len(stripped.encode("utf-8", "replace")) < LENGTH_MIN:
        return
    yield from _encodings(stripped)
    if stripped != value:
        yield from _base64_forms(value)
    lines = [line.strip() for line in stripped.splitlines()]
    if len(lines) > 1:
        for line in lines:
            if len(line) >= LINE_LENGTH_MIN:
                yield from _encodings(line)


def _encodings(value: str) -> Iterator[str]:
    yield value
    yield from _base64_forms(value)
    for escaped in (quote(value, safe="", errors="replace"), quote(value, errors="replace")):
        yield escaped
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), escaped)
    yield quote_plus(value, errors="replace")
    for ascii_only in (True, False):
        encoded = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        # Go's encoder also escapes what HTML would read.
        yield from (encoded, encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
    encoded = value.encode("utf-8", "replace").hex()
    yield from (encoded, encoded.upper())


def _base64_forms(value: str) -> Iterator[str]:
    """The characters of the encoding that depend on the value alone, for each position that it can start at."""
    raw = value.encode("utf-8", "replace")
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        first = -(-offset * 8 // 6)
        last = (offset + len(raw)) * 8 // 6
        core = encoded[first:last]
        if len(core) >= LENGTH_MIN:
            yield core
            yield core.replace("+", "-").replace("/", "_")
