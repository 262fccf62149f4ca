"""The processes of a measured rollout, and what the kernel says of them: CPU time and resident memory.

Each is ended by its process id. Memory is read from /proc, so these figures need Linux.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")
END_S = 30.0


class Server:
    """The cluster in memory, in its own process."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        command = [sys.executable, "-m", "tests.bench.rollout_server", str(self.kubeconfig)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def counts(self) -> dict[str, Any]:
        """Requests by verb, open watches and CPU seconds so far."""
        return self.ask("counts")

    def ask(self, words: str) -> dict[str, Any]:
        """Say a line to it and return its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        return self._line()

    def end(self) -> None:
        """Stop it."""
        self.process.communicate(timeout=END_S)

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


class Controller:
    """The controller, in its own process; with `measured`, it leaves figures when it ends."""

    def __init__(self, folder: Path, *flags: str, kubeconfig: Path, artifact_host: str) -> None:
        self._figures = folder / "figures.json"
        self.log = (folder / "controller.log").open("w")
        command = [
            sys.executable, "-m", "tests.bench.rollout_controller", str(self._figures),
            "--ledger", str(folder / "ledger.db"), "--kubeconfig", str(kubeconfig),
            "--allowed-artifact-hosts", artifact_host, "--log-level", "warning",
            "--metrics-bind-address", "0", "--health-probe-bind-address", "0", *flags,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    @property
    def pid(self) -> int:
        return self.process.pid

    def end(self) -> dict[str, float]:
        """Stop it; returns what it left."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(END_S)
        self.log.close()
        found: dict[str, float] = json.loads(self._figures.read_text())
        return found

    def kill(self) -> None:
        """For the way out of a failure."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder's files on loopback; gives `host:port`."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
