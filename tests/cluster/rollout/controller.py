"""The controller as a process of its own: the shipped arguments, the shipped ServiceAccount, a ledger that stays.

Only what a laptop must have differently is changed: where the ledger is, the ports, loopback as an artifact host.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

from ledger.audit import audit
from ledger.sqlite_log import SqliteReader
from tests.cluster.rollout.installed import NAME, NAMESPACE, shipped_arguments
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import Component

PROGRAM = Path(sys.executable).with_name("stageset-controller")


class Controller:
    """A context manager; `kill` and `start` in between are what it is for."""

    def __init__(
        self, plane: ControlPlane, folder: Path, *, artifact_hosts: tuple[str, ...], words: str = "controller"
    ) -> None:
        #: `words` keeps the files of two apart that share a folder, and so a ledger
        self._folder, self._words = folder, words
        self.ledger = folder / "ledger.db"
        self.metrics_port, self.probes_port = _free_ports()
        token = plane.token(namespace=NAMESPACE, service_account=NAME)
        kubeconfig = self.kubeconfig = plane.write_kubeconfig(folder / f"{words}.kubeconfig", token=token)
        mine = {
            "--ledger": str(self.ledger),
            "--metrics-bind-address": f"127.0.0.1:{self.metrics_port}",
            "--health-probe-bind-address": f"127.0.0.1:{self.probes_port}",
            "--log-level": "debug",
        }
        shipped = shipped_arguments(Kubectl(kubeconfig=plane.kubeconfig, namespace="default"))
        self._arguments = [
            f"{flag}={mine.get(flag, value)}" if value else flag
            for flag, _, value in (argument.partition("=") for argument in shipped)
        ]
        self._arguments += [
            f"--kubeconfig={kubeconfig}",
            # Short, so that whoever takes over from a killed one need not wait for long.
            f"--leader-election-namespace={NAMESPACE}",
            "--leader-election-lease-duration=3s",
            "--leader-election-renew-deadline=2s",
            "--leader-election-retry-period=500ms",
            *(f"--allowed-artifact-hosts={host}" for host in artifact_hosts),
        ]
        self._process: Component | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None

    def start(self, *more: str) -> None:
        """Start, with more arguments than usual, and wait until it is ready; one that stands by is."""
        assert self._process is None
        self.starts += 1
        self._process = Component(
            f"{self._words}-{self.starts}", command=[str(PROGRAM), *self._arguments, *more], directory=self._folder
        )
        eventually(self._is_ready, what="the controller is ready", deadline_s=60, show=self.log_tail)

    def kill(self) -> None:
        """SIGKILL: nothing is saved, nothing is told."""
        assert self._process is not None
        self._process.kill()
        self._process = None

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """The exit code of one that ends by itself."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def signal(self, number: signal.Signals) -> None:
        """Such as SIGSTOP and SIGCONT."""
        os.kill(self.pid, number)

    def fill_disk(self) -> None:
        """From now on nothing that it writes fits into a file."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, hard))

    def free_disk(self) -> None:
        """There is room again."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (hard, hard))

    def get(self, path: str, *, port: int = 0) -> tuple[int, str]:
        """GET from the probes' address, or from another port."""
        url = f"http://127.0.0.1:{port or self.probes_port}{path}"
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str, /, **labels: str) -> float:
        """The value of a series; 0 where it is not there."""
        from prometheus_client.parser import text_string_to_metric_families

        families = text_string_to_metric_families(self.get("/metrics", port=self.metrics_port)[1])
        found = [
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found)

    def events(self, stageset: str) -> list[dict[str, Any]]:
        """Header and body of each record of a StageSet (`namespace/name`), in order."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT header, body FROM record WHERE header ->> 'stream' LIKE ? ORDER BY seq",
                (f"stageset/{stageset}/%",),
            ).fetchall()
        return [{**json.loads(header), "event": json.loads(body) if body else {}} for header, body in rows]

    def head(self) -> int:
        """How many records the ledger has."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
        return int(found)

    def audit(self) -> Any:
        """The verdict of an audit of the whole ledger."""
        with closing(SqliteReader(self.ledger, snapshot=True)) as reader:
            return audit(reader)

    def log(self) -> str:
        """Everything that it has logged."""
        return "".join(path.read_text() for path in sorted(self._folder.glob(f"{self._words}-*.log")))

    def log_tail(self) -> str:
        return "\n".join(self.log().splitlines()[-40:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()

    def _is_ready(self) -> bool:
        assert self._process is not None
        self._process.check()
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


def _free_ports() -> tuple[int, int]:
    with ExitStack() as stack:
        one, two = (stack.enter_context(socket.socket()) for _ in range(2))
        for held in (one, two):
            held.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]
