"""The Sources port: what a source reference stands for just now."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ledger.events import Pin
from reconciler.api.defaults import Source
from reconciler.triggers import Obstacle


class Unknown(NamedTuple):
    """The kind has not been looked at yet."""


Found = Pin | Obstacle | Unknown


class Sources(Protocol):
    """Resolves source references."""

    def resolve(self, source: Source, *, stage: str, action: str = "", own_namespace: str) -> Found:
        """The pin of a source, an obstacle, or `Unknown` before the first look."""
