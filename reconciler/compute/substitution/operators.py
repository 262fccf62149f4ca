"""What each operator of `${v<op>…}` makes of a value.

Rules of Flux's `envsubst` functions (`funcs.go`): lengths and substrings count bytes of UTF-8, case changes go
character by character, bad numbers leave the value as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from reconciler.compute.substitution.glob import compile_glob, prefix_length

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
Operator = Callable[[str, Sequence[str]], str]


def _length(value: str, _: Sequence[str]) -> str:
    return str(len(value.encode()))


def _each(value: str, change: Callable[[str], str]) -> str:
    """Go changes case one character to one: `ß` has no upper-case twin there, so it stays."""
    return "".join(new if len(new := change(char)) == 1 else char for char in value)


def _upper(value: str, _: Sequence[str]) -> str:
    return _each(value, str.upper)


def _lower(value: str, _: Sequence[str]) -> str:
    return _each(value, str.lower)


def _upper_first(value: str, _: Sequence[str]) -> str:
    return _each(value[:1], str.upper) + value[1:]


def _lower_first(value: str, _: Sequence[str]) -> str:
    return _each(value[:1], str.lower) + value[1:]


def _substring(value: str, args: Sequence[str]) -> str:
    """Raises `UnicodeDecodeError` (a ValueError) when the cut falls inside a character."""
    if not all(_NUMBER.fullmatch(arg) for arg in args):
        return value
    raw = value.encode()
    start = int(args[0])
    if start < 0:
        start = max(0, len(raw) + start)
    if len(args) == 1:
        return raw[start:].decode()
    length = int(args[1])
    return value if length < 0 else raw[start : start + length].decode()


def _trim_prefix(value: str, args: Sequence[str], *, longest: bool) -> str:
    tokens = compile_glob(args[0])
    return value if tokens is None else value[prefix_length(tokens, value, longest=longest) :]


def _trim_suffix(value: str, args: Sequence[str], *, longest: bool) -> str:
    tokens = compile_glob(args[0])
    if tokens is None:
        return value
    length = prefix_length(tokens[::-1], value[::-1], longest=longest)
    return value[: len(value) - length]


def _replace_prefix(value: str, args: Sequence[str]) -> str:
    return args[1] + value[len(args[0]) :] if value.startswith(args[0]) else value


def _replace_suffix(value: str, args: Sequence[str]) -> str:
    return value[: len(value) - len(args[0])] + args[1] if value.endswith(args[0]) else value


#: The operator as written after the name; `#` alone before the name is the length.
OPERATORS: dict[str, Operator] = {
    "": lambda value, _: value,
    "length": _length,
    "^": _upper_first,
    "^^": _upper,
    ",": _lower_first,
    ",,": _lower,
    ":": _substring,
    "#": lambda value, args: _trim_prefix(value, args, longest=False),
    "##": lambda value, args: _trim_prefix(value, args, longest=True),
    "%": lambda value, args: _trim_suffix(value, args, longest=False),
    "%%": lambda value, args: _trim_suffix(value, args, longest=True),
    "/": lambda value, args: value.replace(args[0], args[1], 1),
    "//": lambda value, args: value.replace(args[0], args[1]),
    "/#": _replace_prefix,
    "/%": _replace_suffix,
}
#: These give their argument when the value is empty or the variable undefined; all mean the same here.
DEFAULTS = frozenset(("=", ":=", ":-", ":?", ":+"))
