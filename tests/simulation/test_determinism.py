"""The same seed gives the same ledger, byte for byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.life import live

ROOT = Path(__file__).parents[2]
CODE = "import sys; from tests.simulation.life import live; print(*[live(int(s)).digest for s in sys.argv[1:]])"


def digests(hash_seed: str, *seeds: int) -> list[str]:
    """Ledger digests of seeds, from an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, seeds)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_the_order_of_sets_and_dictionaries_does_not_matter() -> None:
    seeds = (3,)
    assert digests("1", *seeds) == digests("2", *seeds)


@pytest.mark.slow
def test_many_seeds_twice() -> None:
    for seed in range(200, 212):
        assert live(seed).digest == live(seed).digest, f"seed {seed}"
