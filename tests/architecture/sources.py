"""The sources that the architecture tests look at."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "reconciler", "replay")


def modules() -> list[Path]:
    """Every module of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    """Path below the root, for messages."""
    return str(path.relative_to(ROOT))
