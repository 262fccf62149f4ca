"""Every module has a docstring and a test; ambient time and chance are where they are allowed."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT, modules, name

# Entry points are run by the tests of the command lines, as processes.
WITHOUT_TEST = {"__init__", "__main__"}
# Protocols have no behaviour: what implements them is tested by the contract suites.
WITHOUT_BEHAVIOUR = ROOT / "reconciler" / "ports"
# Folders that are tested as one thing, through their public face; their modules are its inside.
UNITS = (
    *(ROOT / "reconciler" / "adapters" / unit for unit in ("memory", "sandbox", "watches", "hands", "kubernetes")),
    # The parts of `reconciler.evolve`.
    ROOT / "reconciler" / "folds",
)


def _imported_by_tests() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
    return found


IMPORTED = _imported_by_tests()
TESTED = [p for p in modules() if p.stem not in WITHOUT_TEST and WITHOUT_BEHAVIOUR not in p.parents]


def _dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _has_test(path) -> bool:
    unit = next((unit for unit in UNITS if unit in path.parents), None)
    if unit is not None:
        return any(module.startswith(_dotted(unit)) for module in IMPORTED)
    folder = ROOT / "tests" / path.relative_to(ROOT).parent
    own = folder / f"test_{path.stem}.py"
    whole_package = folder.parent / f"test_{folder.name}.py"
    return own.exists() or whole_package.exists() or _dotted(path) in IMPORTED


@pytest.mark.parametrize("path", TESTED, ids=name)
def test_a_module_has_a_test(path):
    assert _has_test(path), f"{name(path)}: no test imports it and there is no tests/…/test_{path.stem}.py"


@pytest.mark.parametrize("path", [p for p in modules() if p.read_text().strip()], ids=name)
def test_a_module_says_what_it_is_for(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{name(path)} has no docstring"


def test_the_layers_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_ambient_time_and_chance_are_banned():
    """The rule exists and bites: a module that asks the machine for the time is refused by the linter."""
    for line in ("import time\ntime.time()", "import random\nrandom.random()", "import uuid\nuuid.uuid4()"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                "check",
                "--select",
                "TID251",
                "--stdin-filename",
                "reconciler/decide.py",
                "-",
            ],
            cwd=ROOT,
            input=line + "\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert "TID251" in done.stdout, line
