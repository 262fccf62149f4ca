"""Glob patterns of `${v#p}` and its kin: `*`, `?`, `[a-z]`, `[^a-z]`, `\\c`.

Matches every prefix length in one pass over the value (a set of pattern positions per character), so that a hostile
pattern costs pattern times value, never more. `/` is an ordinary character, as in Flux's envsubst.
"""

from __future__ import annotations

from typing import NamedTuple


class Token(NamedTuple):
    """One pattern element: `star`, or a choice of characters as ranges."""

    star: bool
    negated: bool = False
    ranges: tuple[tuple[str, str], ...] = ()

    def accepts(self, char: str) -> bool:
        return self.negated != any(low <= char <= high for low, high in self.ranges)


_STAR = Token(star=True)
_ANY = Token(star=False, negated=True)


def compile_glob(pattern: str) -> list[Token] | None:
    """The pattern's tokens, or None when it is malformed (an open `[`, a trailing backslash)."""
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        token, at = _token(pattern, at)
        if token is None:
            return None
        if not (token.star and tokens and tokens[-1].star):
            tokens.append(token)
    return tokens


def _token(pattern: str, at: int) -> tuple[Token | None, int]:
    char = pattern[at]
    if char == "*":
        return _STAR, at + 1
    if char == "?":
        return _ANY, at + 1
    if char == "[":
        return _choice(pattern, at + 1)
    if char == "\\":
        at += 1
        if at == len(pattern):
            return None, at
        char = pattern[at]
    return Token(star=False, ranges=((char, char),)), at + 1


def _choice(pattern: str, at: int) -> tuple[Token | None, int]:
    negated = pattern[at : at + 1] in ("^", "!")
    at += negated
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and (pattern[at] != "]" or not ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(pattern, at + 1)
        ranges.append((low, high))
    if at >= len(pattern):
        return None, at
    return Token(star=False, negated=negated, ranges=tuple(ranges)), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        at += 1
    return pattern[at], at + 1


def prefix_length(tokens: list[Token], value: str, *, longest: bool) -> int:
    """Characters of the shortest or longest non-empty prefix that matches; 0 when none does."""
    found = 0
    positions = _closure(tokens, {0})
    for length, char in enumerate(value, start=1):
        positions = _closure(tokens, _advance(tokens, positions, char))
        if not positions:
            break
        if len(tokens) in positions:
            found = length
            if not longest:
                break
    return found


def _advance(tokens: list[Token], positions: set[int], char: str) -> set[int]:
    after = set()
    for at in positions:
        if at == len(tokens):
            continue
        if tokens[at].star:
            after.add(at)
        elif tokens[at].accepts(char):
            after.add(at + 1)
    return after


def _closure(tokens: list[Token], positions: set[int]) -> set[int]:
    """A star may match nothing: stepping over it costs no character. Stars never stand side by side."""
    return positions | {at + 1 for at in positions if at < len(tokens) and tokens[at].star}
