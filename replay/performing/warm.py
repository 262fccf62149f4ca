"""Loads what is read from files when it is used first, so that nothing has to be read once the guards are up."""

from __future__ import annotations

from reconciler.adapters.memory.catalog import Catalog
from reconciler.compute.cel import compiles


def up() -> None:
    """Load the CEL library and the kinds of Kubernetes."""
    compiles("true")
    Catalog()
