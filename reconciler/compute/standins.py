"""Stand-ins: values of the same YAML shape as a secret, and different from it wherever it says something.

Not random: a stand-in is derived, so that the offline replay gets the same record. It never reaches a record
itself; it only shows which leaves depend on the secret.
"""

from __future__ import annotations

from reconciler.compute.yamldoc import resolve_plain

_FLIPS = {
    **{"true": "false", "True": "False", "TRUE": "FALSE", "yes": "no", "Yes": "No", "YES": "NO"},
    **{"on": "off", "On": "Off", "ON": "OFF", "y": "n", "Y": "N"},
}
_FLIPS |= {off: on for on, off in _FLIPS.items()}


def same_shape(value: str) -> str:
    """A value that YAML reads as the same kind of thing: digits stay digits, booleans flip, and spaces, line breaks and
    punctuation (what YAML's syntax is made of) stay where they are. Equal to `value` only when that is blank.
    """
    if value in _FLIPS:
        return _FLIPS[value]
    if _is_number(value):
        return "".join(_shift(char) if char.isdigit() else char for char in value)
    if any(char.isalnum() or not char.isascii() for char in value):
        return "".join(map(_shift, value))
    # Punctuation alone: keeping it would keep the secret. The shape may change; then the object is withheld.
    return "".join(char if char.isspace() else "x" for char in value)


def other_shape(value: str) -> str:
    """A longer value without any punctuation: shows leaves that depend on a secret's length or punctuation only."""
    return "x" * (2 * len(value) + 1) if value.strip() else value


def _is_number(value: str) -> bool:
    try:
        return bool(value) and type(resolve_plain(value)) in (int, float)
    except ValueError:
        return False


def _shift(char: str) -> str:
    """The next letter or digit of the same class; other ASCII characters stay, all else becomes an `x` (or `y`)."""
    if "a" <= char <= "z":
        return "a" if char == "z" else chr(ord(char) + 1)
    if "A" <= char <= "Z":
        return "A" if char == "Z" else chr(ord(char) + 1)
    if "0" <= char <= "9":
        return "1" if char == "9" else chr(ord(char) + 1)
    return char if char.isascii() else "x"
