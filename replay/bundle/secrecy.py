"""Looks for values of Secrets in all that is exported, and through recorded forms and specs for Secrets in plain.

The second line: the first is that values were never recorded. Rule: in doubt a payload is left out. No value is ever
part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from reconciler.compute.redaction import Redactor
from replay.bundle.spelled import Spelled

#: Shorter values are not looked for: words such as `postgres` stand in names, and would refuse every export.
VALUE_BYTES_MIN = 9
#: The end of a line, in text and in JSON.
_BREAK = re.compile(r"(?:\\r)?(?:\\n|\n)[ \t]*")


class Finding(NamedTuple):
    """What was found in one payload."""

    #: a sentence why it is left out; empty where it may go
    why: str
    #: values that must not be anywhere else
    values: frozenset[str]
    #: all that it holds, for the search
    text: str


def in_text(data: bytes) -> Finding:
    """Look through a recorded form: JSON in which a Secret's values are tokens."""
    look = Spelled(tokens=True)
    try:
        look.replaced(msgspec.json.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        look.why = "it is no JSON that could be looked through for secrets"
    return Finding(look.why, frozenset(look.values), data.decode("latin-1"))


def in_value(value: Any) -> frozenset[str]:
    """The values of Secrets that are spelled out in a spec."""
    look = Spelled()
    look.replaced(value)
    return frozenset(look.values)


class Search:
    """Looks for values in what is exported, raw and in base64, URL, JSON and hex form."""

    def __init__(self, values: Iterable[str]) -> None:
        wanted = sorted(value for value in values if len(value.strip().encode()) >= VALUE_BYTES_MIN)
        self._is_empty = not wanted
        self._redactor = Redactor(wanted)
        # Texts were decoded byte for byte, so that nothing in them is missed.
        self._bytewise = Redactor([value.encode().decode("latin-1") for value in wanted])

    def finds(self, text: str) -> bool:
        """Whether a value occurs, in one piece or broken into lines, as encoders of base64 like to do."""
        return not self._is_empty and (self._has(text) or self._has(_BREAK.sub("", text)))

    def _has(self, text: str) -> bool:
        return self._redactor.finds(text) or self._bytewise.finds(text)
