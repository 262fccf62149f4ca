"""Where the control plane's binaries are: `KUBEBUILDER_ASSETS`, or the cache that `make controlplane` fills.

Looks, never builds (`build.py` does). The cache directory is named by what decides its contents: the sums of go.mod and
go.sum, the linker's flags, the Go version and the platform. So another version of anything is another directory.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ADVICE = "run `make controlplane` (needs Go 1.26 on the PATH and a Go module proxy, see tests/controlplane/README.md)"


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One program: its name on disk, the Go package it is built from, and the module that carries its version."""

    name: str
    package: str
    module: str


TOOLS = (
    Tool(name="etcd", package="go.etcd.io/etcd/server/v3", module="go.etcd.io/etcd/server/v3"),
    Tool(name="kube-apiserver", package="k8s.io/kubernetes/cmd/kube-apiserver", module="k8s.io/kubernetes"),
    Tool(
        name="kube-controller-manager",
        package="k8s.io/kubernetes/cmd/kube-controller-manager",
        module="k8s.io/kubernetes",
    ),
    Tool(name="kube-scheduler", package="k8s.io/kubernetes/cmd/kube-scheduler", module="k8s.io/kubernetes"),
    Tool(name="kwok", package="sigs.k8s.io/kwok/cmd/kwok", module="sigs.k8s.io/kwok"),
)


class ControlPlaneMissingError(Exception):
    """A binary is not there; the message says which, where it was looked for, and what to do."""


def module_versions() -> dict[str, str]:
    """The version of every module that go.mod requires, by module path."""
    text = (HERE / "go.mod").read_text(encoding="utf-8")
    return dict(re.findall(r"^\t(\S+) (v\S+)", text, re.MULTILINE))


def linker_flags() -> str:
    """What Kubernetes' own build sets with `-X` (its hack/lib/version.sh), so that `/version` says the real version."""
    version = module_versions()["k8s.io/kubernetes"]
    major, minor = version.removeprefix("v").split(".")[:2]
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    return " ".join(["-s", "-w", *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in variables.items())])


def cache_root() -> Path:
    """The folder of all cached builds."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stageset-controlplane"


def _sums() -> str:
    digest = hashlib.sha256(linker_flags().encode())
    for name in ("go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def cache_directory() -> Path | None:
    """The build that fits this tree, whether it is there or not; None without Go and without a build to fall back on.

    Without Go on the PATH the newest build of the same sums for this platform serves: it cannot be made here, only run.
    """
    if go := shutil.which("go"):
        command = [go, "env", "GOVERSION", "GOOS", "GOARCH"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE).stdout.split()
        return cache_root() / "-".join([_sums(), *found])
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    builds = cache_root().glob(f"{_sums()}-go*-{platform.system().lower()}-{machine}")
    return max(builds, key=lambda path: path.stat().st_mtime, default=None)


def missing_in(directory: Path) -> list[Tool]:
    """The tools that `directory` does not have."""
    return [tool for tool in TOOLS if not os.access(directory / tool.name, os.X_OK)]


def assets() -> Path | None:
    """The folder named by `KUBEBUILDER_ASSETS`, or None when it is not set.

    Raises:
        ControlPlaneMissingError: the folder lacks a binary. It is not completed with built ones: a controller manager
            newer than its API server is outside the version skew that Kubernetes supports.
    """
    if not (named := os.environ.get("KUBEBUILDER_ASSETS")):
        return None
    if lacking := missing_in(Path(named)):
        names = ", ".join(tool.name for tool in lacking)
        raise ControlPlaneMissingError(
            f"KUBEBUILDER_ASSETS={named} has no {names}; put them there, or unset KUBEBUILDER_ASSETS and {ADVICE}"
        )
    return Path(named)


def locate() -> Path:
    """The folder that has every binary.

    Raises:
        ControlPlaneMissingError: there is none; the message says what to do.
    """
    if found := assets():
        return found
    directory = cache_directory()
    if directory is None:
        raise ControlPlaneMissingError(
            f"the control plane is not built: no build for this tree in {cache_root()}, and no Go on the PATH; {ADVICE}"
        )
    if lacking := missing_in(directory):
        names = ", ".join(tool.name for tool in lacking)
        raise ControlPlaneMissingError(f"the control plane is not built: {directory} has no {names}; {ADVICE}")
    return directory
