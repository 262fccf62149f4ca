"""Byte counts in words."""

from __future__ import annotations

import pytest

from reconciler.compute.sizes import human_bytes


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"), (3 << 30, "3072 MiB")],
)
def test_units(count: int, words: str) -> None:
    assert human_bytes(count) == words
