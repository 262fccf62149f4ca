"""Quantities in their canonical form, as the API server writes them back.

Pure. Source: apimachinery `pkg/api/resource/quantity.go`: no fraction, the largest suffix that loses nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The canonical form; what is no quantity is returned as it is, for validation to find."""
    number = value(text)
    if number is None or re.search(r"[eE][+-]?\d+$", text):
        return text
    if text.endswith("i") and number == number.to_integral_value() and abs(number) >= 1024:
        return _binary(int(number))
    return _decimal(number)


@lru_cache(maxsize=4096)
def value(text: str) -> Decimal | None:
    """The number that a quantity stands for; None when it is no quantity."""
    found = _FORM.fullmatch(text)
    if not found:
        return None
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY[1:]:
        return number * Decimal(1024) ** _BINARY.index(suffix)
    return number.scaleb(_POWERS[suffix] if suffix in _POWERS else int(suffix[1:]))


def _binary(number: int) -> str:
    power = 0
    while number and number % 1024 == 0 and power < len(_BINARY) - 1:
        number //= 1024
        power += 1
    return f"{number}{_BINARY[power]}"


def _decimal(number: Decimal) -> str:
    if not number:
        return "0"
    for power in sorted(_DECIMAL, reverse=True):
        scaled = number.scaleb(-power)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{_DECIMAL[power]}"
    # Finer than the finest suffix is rounded up.
    return f"{int(number.scaleb(9).to_integral_value(rounding='ROUND_CEILING'))}n"
