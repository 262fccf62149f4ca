"""Random lives of StageSets, each from one seed; see `tests/simulation/life.py` for what is checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reconciler.compute.kustomization import BuildTree
from tests.simulation.fleet import seeds
from tests.simulation.life import TOTALS, live

SOAK = bool(os.environ.get("SOAK"))
QUICK, MANY = 30, 20_000 if SOAK else 300
#: seeds of one test, so that several processes have something to do
QUICKLY, PART = 15, 1_000 if SOAK else 100


def test_one_seed() -> None:
    """The seed of the environment variable SEED, to repeat a failure."""
    live(int(os.environ.get("SEED", "1")))


@pytest.mark.parametrize("first", range(0, QUICK, QUICKLY))
def test_quick_seeds(first: int) -> None:
    seeds(range(first, first + QUICKLY))


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("first", range(QUICK, QUICK + MANY, PART))
def test_many_seeds(first: int) -> None:
    seeds(range(first, first + PART))


class Kustomize:
    """The real one, waited for on the spot: a simulation has no threads."""

    def __init__(self, kubectl: str, folder: Path) -> None:
        self._kubectl, self._folder = kubectl, folder

    async def run(self, tree: BuildTree) -> str:
        return self._built(tree)

    def _built(self, tree: BuildTree) -> str:
        with TemporaryDirectory(dir=self._folder) as root:
            for name, content in tree.files.items():
                path = Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            command = [self._kubectl, "kustomize", str(Path(root, tree.directory))]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 11, 13])
def test_seeds_with_the_real_kustomize(seed: int, tmp_path) -> None:
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    assert kubectl, "kubectl is not in the virtual environment: install tests/requirements.lock"
    live(seed, runner=Kustomize(kubectl, tmp_path))
    TOTALS.update(seeds=1)
