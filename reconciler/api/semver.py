"""Whether text is a semantic version, or a constraint on versions, in the lenient spelling of the field.

Not the matching of versions against constraints. Lenient as Masterminds/semver, which the original uses: a leading `v`
and missing minor and patch numbers are accepted.
"""

from __future__ import annotations

import re
from typing import Final

_IDENTIFIERS = r"[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*"
_TAIL = rf"(-{_IDENTIFIERS})?(\+{_IDENTIFIERS})?"
_VERSION: Final = re.compile(rf"v?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){{0,2}}{_TAIL}")
_PARTIAL = rf"v?([0-9]+|[xX*])(\.([0-9]+|[xX*])){{0,2}}{_TAIL}"
_COMPARISON: Final = re.compile(rf"(=|==|!=|>|<|>=|=>|<=|=<|~|~>|\^)?\s*{_PARTIAL}")
_RANGE: Final = re.compile(rf"{_PARTIAL}\s+-\s+{_PARTIAL}")


def is_version(text: str) -> bool:
    """`1.2.3`, `v1.2.3-rc.1+build`, `v1`, `1.2`."""
    return _VERSION.fullmatch(text) is not None


def is_constraint(text: str) -> bool:
    """`>=1.2 <2`, `~1.2`, `^1`, `1.2 - 1.4`, `1.x || >=3.0.0-0`; parts are joined by comma, space or `||`."""
    return bool(text.strip()) and all(_is_conjunction(part.strip()) for part in text.split("||"))


def _is_conjunction(text: str) -> bool:
    at, rest = 0, text
    while rest:
        found = _RANGE.match(rest) or _COMPARISON.match(rest)
        if found is None:
            return False
        after = rest[found.end() :]
        rest = re.sub(r"^\s*,\s*|^\s+", "", after, count=1)
        if after and rest == after:
            return False
        at += 1
    return at > 0
