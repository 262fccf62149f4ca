from __future__ import annotations

import re
from pathlib import Path

import reconciler
from replay.bundle import environment as module
from replay.bundle.environment import code_digest, environment


def test_it_names_the_code_and_nothing_of_the_machine() -> None:
    found = environment(recorded_by=(), policy={"interval_ms": 1})
    assert re.fullmatch("sha256:[0-9a-f]{64}", found.code)
    assert found.code == code_digest()
    assert found.folds > 0
    assert "/" not in repr(found)


def test_all_that_decides_is_in_the_digest() -> None:
    """A module of the core that is not named here would change decisions unseen."""
    around = {"adapters", "cli", "compute", "errors", "installation", "loop", "plan", "ports", "settings"}
    around |= {"triggers", "wiring", "__init__", "__main__", "py", "__pycache__"}
    folder = Path(reconciler.__file__).parent
    there = {path.stem for path in folder.iterdir() if path.suffix != ".typed"}
    assert there - around == set(module._DECIDING["reconciler"])
