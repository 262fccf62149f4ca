"""Cluster tests never quietly do not run: skipped with a reason on a laptop, failed in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.controlplane.binaries import HERE


def run_cluster_tests(cache: Path, *, ci: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "CI": ci}
    environment.pop("KUBEBUILDER_ASSETS", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "tests/cluster/test_controlplane.py",
        "-k",
        "version",
    ]
    return subprocess.run(
        command, cwd=HERE.parents[1], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_on_a_laptop_without_a_build_the_tests_are_skipped_aloud(tmp_path: Path) -> None:
    done = run_cluster_tests(tmp_path, ci="")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "NOT TESTED on a real cluster" in done.stdout
    assert "run `make controlplane`" in done.stdout


def test_in_ci_a_missing_build_is_a_failure(tmp_path: Path) -> None:
    done = run_cluster_tests(tmp_path, ci="true")
    assert done.returncode == 1, done.stdout
    assert "cluster tests must run in CI, but the control plane is not built" in done.stdout
