"""Reads `${…}` and `$$` in a text into templates: literal text and expansions.

Not an evaluator: it knows no values. Everything else with a dollar (`$v`, `$(v)`) is literal text. Invariant: every
character is read once; nesting is bounded by `NESTING_MAX`.
"""

from __future__ import annotations

from typing import NamedTuple

NESTING_MAX = 50


class Expansion(NamedTuple):
    """`${name<operator>args}` and where it starts in the text (offset in characters)."""

    name: str
    operator: str
    args: tuple[Template, ...]
    at: int


Template = tuple[str | Expansion, ...]


class BadExpression(ValueError):
    """Not in the grammar. `at` is the offset of the `${`, `name` the variable as far as it could be read."""

    def __init__(self, problem: str, *, name: str, at: int) -> None:
        super().__init__(problem)
        self.problem, self.name, self.at = problem, name, at


def parse(text: str) -> Template:
    """The whole text as a template. Raises `BadExpression`."""
    parser = _Parser(text)
    return parser.template(stops="")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        #: Where the expansions that are still open began, outermost first.
        self._open: list[int] = []
        self._name = ""

    def template(self, *, stops: str, escapes: str = "") -> Template:
        """Text and expansions up to one of `stops` (left unread) or the end; a backslash takes `escapes` literally."""
        parts: list[str | Expansion] = []
        special = "$" + stops + ("\\" if escapes else "")
        start = self._at
        while self._at < len(self._text):
            if not self._skip_to(special) or self._text[self._at] in stops:
                break
            literal, width = self._special(escapes)
            if literal is None:
                parts.append(self._text[start : self._at])
                parts.append(self._expansion())
            else:
                parts.append(self._text[start : self._at] + literal)
                self._at += width
            start = self._at
        parts.append(self._text[start : self._at])
        return tuple(part for part in parts if part != "")

    def _skip_to(self, special: str) -> bool:
        """Moves to the next special character; to the end, and False, when there is none."""
        text, size = self._text, len(self._text)
        if len(special) == 1:
            found = text.find(special, self._at)
            self._at = found if found >= 0 else size
        else:
            while self._at < size and text[self._at] not in special:
                self._at += 1
        return self._at < size

    def _special(self, escapes: str) -> tuple[str | None, int]:
        """What stands for the special character here: literal text and its width, or None for an expansion."""
        char, following = self._text[self._at], self._text[self._at + 1 : self._at + 2]
        if char == "\\":
            return (following, 2) if following and following in escapes else (char, 1)
        if following == "{":
            return None, 0
        return ("$", 2) if following == "$" else ("$", 1)

    def _expansion(self) -> Expansion:
        at = self._at
        self._open.append(at)
        self._name = ""
        if len(self._open) > NESTING_MAX:
            raise self._bad(f"nested deeper than {NESTING_MAX} levels")
        self._at += 2
        length = self._peek() == "#"
        self._at += length
        name = self._identifier()
        operator, args = ("length", ()) if length else self._operator()
        self._name = name
        self._expect_close()
        self._open.pop()
        return Expansion(name, operator, args, at)

    def _identifier(self) -> str:
        start = self._at
        while (char := self._peek()) and (char == "_" or char.isalpha() or char.isdecimal()):
            self._at += 1
        self._name = self._text[start : self._at]
        if not self._name:
            raise self._bad("has no variable name (letters, digits and '_')")
        return self._name

    def _operator(self) -> tuple[str, tuple[Template, ...]]:
        char = self._peek()
        if char == ":":
            return self._default_or_substring()
        if char == "=":
            return self._take(1), (self.template(stops="}"),)
        if char in ("^", ",", "#", "%") and char:
            operator = self._take(2 if self._text.startswith(char * 2, self._at) else 1)
            return operator, () if char in "^," else (self._required("a pattern", stops="}"),)
        if char == "/":
            return self._replacement()
        return "", ()

    def _default_or_substring(self) -> tuple[str, tuple[Template, ...]]:
        if self._text[self._at + 1 : self._at + 2] in ("-", "=", "?", "+"):
            return self._take(2), (self.template(stops="}"),)
        operator = self._take(1)
        args = [self._required("a number after ':'", stops=":}")]
        if self._peek() == ":":
            self._at += 1
            args.append(self._required("a number after the second ':'", stops="}"))
        return operator, tuple(args)

    def _replacement(self) -> tuple[str, tuple[Template, ...]]:
        double = self._text[self._at + 1 : self._at + 2] in ("/", "#", "%")
        operator = self._take(2 if double else 1)
        name = self._name
        pattern = self._required("a pattern", stops="/}", escapes="/\\")
        self._name = name
        if self._peek() != "/":
            raise self._bad(
                "has no second '/': write ${name/pattern/replacement}, and '\\/' for a slash in the pattern"
            )
        self._at += 1
        return operator, (pattern, self.template(stops="}", escapes="/\\"))

    def _required(self, what: str, *, stops: str, escapes: str = "") -> Template:
        name = self._name
        template = self.template(stops=stops, escapes=escapes)
        self._name = name
        if not template:
            raise self._bad(f"needs {what}")
        return template

    def _expect_close(self) -> None:
        char = self._peek()
        if not char:
            raise self._bad("has no closing '}'")
        if char != "}":
            raise self._bad(f"has {char!r} where an operator or the closing '}}' is expected")
        self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, width: int) -> str:
        self._at += width
        return self._text[self._at - width : self._at]

    def _bad(self, problem: str) -> BadExpression:
        return BadExpression(problem, name=self._name, at=self._open[-1])
