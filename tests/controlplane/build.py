"""Builds the control plane's binaries from their Go modules into the cache.

Each binary is written under another name and renamed when it is complete, so an interrupted build leaves no half a
binary and goes on where it stopped. Two builds at once wait for one another. Only this cache and Go's own are written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.binaries import (
    HERE,
    ControlPlaneMissingError,
    Tool,
    cache_directory,
    linker_flags,
    missing_in,
    module_versions,
)

#: Seconds between two lines of a build that says nothing by itself: a CI job that is silent for long is often ended.
HEARTBEAT_S = 30.0

Say = Callable[[str], None]


@contextmanager
def _lock(directory: Path, *, say: Say) -> Iterator[None]:
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another build holds {directory}/.lock; waiting for it to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wait(process: subprocess.Popen[bytes], *, name: str, say: Say) -> float:
    started = time.monotonic()
    try:
        while True:
            try:
                process.wait(timeout=HEARTBEAT_S)
                return time.monotonic() - started
            except subprocess.TimeoutExpired:
                say(f"  … still building {name} ({time.monotonic() - started:.0f} s)")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _build(go: str, tool: Tool, *, directory: Path, say: Say) -> None:
    unfinished = directory / f".{tool.name}.{os.getpid()}"
    command = [
        go,
        "build",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        linker_flags(),
        "-o",
        str(unfinished),
        tool.package,
    ]
    # Pure Go needs no C compiler and runs on any machine of the platform; a go.work outside would replace our go.mod.
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    try:
        process = subprocess.Popen(command, cwd=HERE, env=environment, stdin=subprocess.DEVNULL)
        seconds = _wait(process, name=tool.name, say=say)
        if process.returncode != 0:
            raise ControlPlaneMissingError(
                f"{tool.name}: `go build {tool.package}` in {HERE} ended with {process.returncode}; see its own words "
                "above. If a module could not be had, check `go env GOPROXY`; if Go is too old, put a newer one on the "
                "PATH; or point KUBEBUILDER_ASSETS to a folder that has the five binaries. The next run resumes."
            )
        unfinished.rename(directory / tool.name)
    finally:
        unfinished.unlink(missing_ok=True)
    size = (directory / tool.name).stat().st_size / 2**20
    say(f"  {tool.name} built in {seconds:.0f} s, {size:.0f} MiB")


def build(*, say: Say) -> Path:
    """Build what the cache lacks, one binary after the other; `say` gets a line per step. Returns the folder.

    Raises:
        ControlPlaneMissingError: no Go on the PATH, or a build failed; the message says what to do.
    """
    go = shutil.which("go")
    directory = cache_directory()
    if go is None or directory is None:
        raise ControlPlaneMissingError(
            "there is no `go` on the PATH: install Go 1.26 or newer, or point KUBEBUILDER_ASSETS to a folder with "
            "etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok"
        )
    directory.mkdir(parents=True, exist_ok=True)
    versions = module_versions()
    with _lock(directory, say=say):
        lacking = missing_in(directory)
        for number, tool in enumerate(lacking, start=1):
            say(f"building {tool.name} {versions[tool.module]} ({number} of {len(lacking)}; new, it takes minutes)")
            _build(go, tool, directory=directory, say=say)
    return directory
