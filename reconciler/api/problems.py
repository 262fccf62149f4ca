"""A problem of an object: where it is, in the terms of whoever wrote the object, and what to do about it.

Not the rules themselves. Invariant: `path` and `message` together read as one sentence that names the field, what is
wrong and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from reconciler.errors import ReconcilerError

#: A message lists so many problems in full and counts the rest.
PROBLEMS_SHOWN_MAX = 10
_VALUE_CHARS_MAX = 60


class Problem(NamedTuple):
    """One thing wrong with an object."""

    #: `spec.stages[1].actions.pre[0].http.url`
    path: str
    #: Goes on from the path: `must be …; …`.
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


class InvalidObject(ReconcilerError):
    """An object does not fit its type. Show `problems` to whoever wrote it; reading it again cannot help."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(summary(problems))
        self.problems = tuple(problems)


def summary(problems: Sequence[Problem]) -> str:
    """All problems in one line, the first ten in full and the rest counted."""
    shown = "; ".join(str(problem) for problem in problems[:PROBLEMS_SHOWN_MAX])
    left = len(problems) - PROBLEMS_SHOWN_MAX
    return f"{shown}; and {left} more" if left > 0 else shown


def quoted(value: Any) -> str:
    """A value as a message shows it: text in double quotes, cut where it is long."""
    text = value if isinstance(value, str) else repr(value)
    return '"' + (text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…") + '"'


def one_of(values: Iterable[Any]) -> str:
    """`A`, `A or B`, `A, B or C`."""
    *head, last = [str(value) for value in values]
    return f"{', '.join(head)} or {last}" if head else last
