"""Text for people: tables, colours, times, and what an event says in one line.

Stage, stream and message text comes from outside and may hold terminal escapes: everything goes through `safe`, which
leaves only printable characters. Colours are added after that; `click.echo` drops them where no terminal listens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import click

from ledger.events import Event, Item, Pin

_COLOURS = {
    "ok": "green",
    "succeeded": "green",
    "VALID": "green",
    "failed": "red",
    "refused": "red",
    "indeterminate": "yellow",
    "skipped": "cyan",
    "superseded": "cyan",
}
#: Fields that tell what an event is about, in the order of reading.
_TELLING = (
    "trigger",
    "pin",
    "hook",
    "verb",
    "action",
    "operation",
    "reason",
    "message",
    "why",
    "answer",
    "request",
    "path",
    "artifact",
    "revision",
    "server",
    "deadline",
    "due",
    "software",
)
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def safe(text: str) -> str:
    """The text with everything unprintable written as an escape: control characters, bidi overrides, line ends."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def outcome(word: str) -> str:
    """An outcome or verdict in its colour."""
    return click.style(safe(word), fg=_COLOURS.get(word)) if word else ""


def instant(at: str) -> str:
    """An instant of the envelope as people read it, in UTC."""
    return safe(at.replace("T", " ", 1).removesuffix("Z"))


def summary(event: Event | None) -> str:
    """What an event says, in one line; not safe yet."""
    if event is None:
        return "(its body was erased)"
    told = [_told(getattr(event, name, None)) for name in _TELLING]
    # A message names the objects that matter; their list would only repeat it.
    return " ".join(
        filter(None, told if getattr(event, "message", "") else [*told, _told(getattr(event, "objects", None))])
    )


def _told(value: object) -> str:
    match value:
        case str():
            return value
        case Pin():
            return f"{value.source} {value.revision}".rstrip()
        case [Item() as only]:
            return f"{only.id} {only.action}".rstrip()
        case [_, *_]:
            return f"{len(value)} objects"
        case int() if not isinstance(value, bool):
            return f"{value} objects"
        case _:
            return ""


class Columns:
    """A table that is printed as it comes: columns grow when they must, and never shrink."""

    def __init__(self, names: Sequence[str], *, width: int = 0) -> None:
        """`width` is that of the terminal: lines are cut there; 0 leaves them whole."""
        self._names = names
        self._widths = [len(name) for name in names]
        self._width = width

    def heading(self, rows: Sequence[Sequence[str]]) -> str:
        """The names, above the first rows."""
        self._measure(rows)
        return click.style(self._line(self._names), bold=True)

    def lines(self, rows: Sequence[Sequence[str]]) -> list[str]:
        """The lines of more rows."""
        self._measure(rows)
        return [self._line(row) for row in rows]

    def _measure(self, rows: Iterable[Sequence[str]]) -> None:
        for row in rows:
            self._widths = [max(old, _length(cell)) for old, cell in zip(self._widths, row, strict=True)]

    def _line(self, row: Sequence[str]) -> str:
        *cells, last = row
        padded = [cell + " " * (width - _length(cell)) for cell, width in zip(cells, self._widths, strict=False)]
        start = "  ".join(padded) + "  "
        room = self._width - _length(start)
        if 0 < room < len(last):
            last = last[: room - 1] + "…"
        return (start + last).rstrip()


def _length(cell: str) -> int:
    return len(_ESCAPE.sub("", cell))
