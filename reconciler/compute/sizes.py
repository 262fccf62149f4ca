"""Byte counts as people write them, for messages. Not for parsing."""

from __future__ import annotations


def human_bytes(count: int) -> str:
    """`512 B`, `64 MiB`, `1.5 MiB`: binary units, one decimal where it says something."""
    value, units = float(count), iter(("B", "KiB", "MiB"))
    unit = next(units)
    for larger in units:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
