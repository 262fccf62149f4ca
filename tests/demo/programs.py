"""The demo's programs: started, killed on stage, ended by their process ids.

Each writes a log of its own into the demo's folder. None outlives the demo, however that ends.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.controlplane.process import Component

#: A program that does not end within this many seconds of being asked is killed.
END_S = 10.0


class Program(Component):
    """A running program; its log grows over restarts."""

    def end(self) -> None:
        """Ask it to end, and see to it that it does."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def said(self, pattern: str) -> str | None:
        """The first group of the first match in its log, if it is there yet."""
        found = re.search(pattern, self.log.read_text(encoding="utf-8", errors="replace"))
        return found[1] if found else None


def sandbox(folder: Path, *, kubeconfig: Path) -> Program:
    """The small Kubernetes API."""
    command = [sys.executable, "-m", "replay", "sandbox", "--kubeconfig", str(kubeconfig)]
    return Program("sandbox", command=_here(command), directory=folder)


def artifact_server(folder: Path, *, served: Path) -> Program:
    """Serves a folder's files on loopback, as a source-controller does."""
    command = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(served)]
    return Program("artifacts", command=[sys.executable, *command], directory=folder)


def hook_server(folder: Path, *, hold: Path) -> Program:
    """Logs what is posted to it; answers nobody while `hold` is there."""
    return Program("hooks", command=_here([sys.executable, "-m", "tests.demo.hooks", str(hold)]), directory=folder)


def controller(folder: Path, *options: str, number: int) -> Program:
    """The controller; `number` counts its starts."""
    command = [
        sys.executable, "-m", "reconciler", "--log-format", "text",
        "--metrics-bind-address", "0", "--health-probe-bind-address", "0", *options,
    ]  # fmt: skip
    return Program(f"controller-{number}", command=_here(command), directory=folder)


def _here(command: list[str]) -> list[str]:
    """Run with the repository's root on the path, whatever the working directory: the demo needs no installation."""
    root = str(Path(__file__).parents[2])
    return ["env", f"PYTHONPATH={root}", "PYTHONUNBUFFERED=1", *command]
