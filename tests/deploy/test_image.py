"""The image: its steps replayed in a clean environment, then run as in the container: no home, nothing to write to."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy import dockerfile
from tests.deploy.dockerfile import ROOT, Replay

BUILD, FINAL = dockerfile.stages()
NOBODY = 65532


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder that stands for the image's root."""
    root = Path(tempfile.mkdtemp(prefix="stageset-image-"))
    try:
        Replay(root).run(BUILD)
        (root / "empty").mkdir(mode=0o555)
        yield root
    finally:
        shutil.rmtree(root)


def _run(image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """As the container runs it: only the image's own environment, no HOME, a folder that not even root can write to."""
    path = dockerfile.environment(FINAL)["PATH"].split(":")[0]
    env = {"PATH": str(image / path.lstrip("/")), "PYTHONDONTWRITEBYTECODE": "1"}
    read_only = "/proc" if Path("/proc/self").exists() else image / "empty"
    return subprocess.run(
        [str(image / "opt/stageset/bin" / words[0]), *words[1:]],
        cwd=read_only, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_it_starts_with_nothing_around_it(image):
    (entry,) = dockerfile.exec_form(FINAL, "ENTRYPOINT")
    version = _run(image, entry, "--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.endswith("version 0.1.0\n")
    helped = _run(image, "stagesetctl", "--help")
    assert helped.returncode == 0
    assert "ledger" in helped.stdout


@pytest.mark.slow
def test_kustomize_is_inside(image):
    look = "import asyncio, reconciler.adapters.kustomize as k; print(asyncio.run(k.find_tool()).identity)"
    found = _run(image, "python", "-c", look)
    assert found.stdout.startswith("kustomize/v"), found.stderr


@pytest.mark.slow
def test_it_says_what_is_missing_and_leaves_no_traceback(image):
    """Without a cluster."""
    done = _run(image, "stageset-controller", "--metrics-bind-address=0", "--health-probe-bind-address=0")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "the file does not exist; name another with --kubeconfig or KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_is_installed_is_what_is_locked(image):
    look = "import importlib.metadata as m; print(*sorted(f'{d.name.lower()}=={d.version}' for d in m.distributions()))"
    installed = set(_run(image, "python", "-c", look).stdout.replace("_", "-").replace(".", "-").split())
    lock = (ROOT / "deploy/requirements.lock").read_text().lower().replace("_", "-").replace(".", "-")
    assert {one for one in installed if one not in lock} == {"stageset-controller==0-1-0"}
    assert not any(one.startswith("pytest==") for one in installed)


def test_it_is_run_by_nobody_where_the_manifests_expect_it():
    (deployment,) = yaml.safe_load_all((ROOT / "deploy/manifests/base/deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = pod["securityContext"]
    assert dockerfile.single(FINAL, "USER") == f"{context['runAsUser']}:{context['runAsGroup']}" == f"{NOBODY}:{NOBODY}"
    assert context["runAsNonRoot"] is True
    assert context["fsGroup"] == NOBODY
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert dockerfile.single(FINAL, "WORKDIR") in mounts
    (ledger,) = dockerfile.exec_form(FINAL, "CMD")
    assert ledger in container["args"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert mounts >= {"/tmp", "/dev/shm"}


def test_the_build_requirements_are_those_of_the_tests():
    """One version of setuptools builds the package, here and in the image."""
    lock = (ROOT / "deploy/build.lock").read_text().strip()
    assert lock in (ROOT / "tests/requirements.lock").read_text()
    assert "--hash=sha256:" in lock
