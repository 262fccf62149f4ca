"""Adds a bundle to tests/replay/golden for each case that has none: `python -m tests.replay.freeze`.

A bundle that is there stays as it is for ever: it was recorded by the code of its day, and must be reproduced by every
later one. Where a decision was changed on purpose, the old bundle tells what has to be kept apart in the policy.
"""

from __future__ import annotations

from pathlib import Path

from replay.bundle.format import SUFFIX
from tests.replay import making
from tests.replay.cases import CASES
from tests.replay.failing import Case, kustomize, played

GOLDEN = Path(__file__).parent / "golden"


def path_of(case: Case) -> Path:
    """Where the bundle of a case is kept: named by its section in the runbook, and how the run ended."""
    return GOLDEN / f"{case.anchor}__failed{SUFFIX}"


def bundle_of(case: Case) -> bytes:
    """The failed run of a case; always built with the real kustomize."""
    log = played(case, kustomize=kustomize())
    return making.bundle(log, *making.failed(log))


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        path = path_of(case)
        if path.exists():
            continue
        path.write_bytes(bundle_of(case))
        print(f"{path.relative_to(GOLDEN.parents[2])}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
