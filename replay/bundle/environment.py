"""What decisions depend on beside the facts: the versions and the digest of the code that makes them.

Not the machine: nothing of host, user, time or paths is in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ledger.envelope import VERSION
from reconciler.loop.memory import StatesProjection
from replay.bundle.format import Environment, Software

#: Modules and folders whose code makes decisions of facts.
_DECIDING = {
    "ledger": ("envelope", "events", "instant", "upcast", "values"),
    "reconciler": (
        "actions",
        "api",
        "decide",
        "digests",
        "effects",
        "evolve",
        "folds",
        "invariants",
        "policy",
        "state",
        "step",
        "transitions",
    ),
}


def environment(*, recorded_by: tuple[Software, ...], policy: dict[str, Any]) -> Environment:
    """This program as the environment of a bundle."""
    return Environment(
        version=_version(),
        code=code_digest(),
        envelope=VERSION,
        folds=folds_version(),
        recorded_by=recorded_by,
        policy=policy,
    )


def folds_version() -> int:
    """Raised whenever a fold gives another state for the same records."""
    return StatesProjection.version


@cache
def code_digest() -> str:
    """`sha256:<64 hex>` over names and sources of the deciding code."""
    mark = hashlib.sha256()
    for package, names in _DECIDING.items():
        for name in names:
            for path, source in _sources(_folder(package), name):
                mark.update(f"{package}/{path}\0{len(source)}\0".encode() + source)
    return "sha256:" + mark.hexdigest()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    origin = spec.origin if spec is not None else None
    assert origin is not None, f"{package} is a package of this program"
    return Path(origin).parent


def _sources(root: Path, name: str) -> Iterator[tuple[str, bytes]]:
    module = root / f"{name}.py"
    if module.is_file():
        yield module.name, module.read_bytes()
        return
    for path in sorted((root / name).iterdir(), key=lambda one: one.name):
        if path.name.endswith(".py"):
            yield f"{name}/{path.name}", path.read_bytes()


def _version() -> str:
    # Whoever reads a bundle has no need of it, and it takes longer to load than all of this package.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("stageset-controller")
    except PackageNotFoundError:
        return "unknown"
