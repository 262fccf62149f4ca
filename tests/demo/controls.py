"""What every act uses: the programs, the cluster, the ledger read beside the controller, and the way to show them.

Not the acts. Invariant: the controller is the program that was started last, and all are ended by `close`.
"""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.demo import programs, release
from tests.demo.programs import Program
from tests.demo.terminal import DemoFailed, Terminal
from tests.demo.world import World

T = TypeVar("T")
COMMAND_S = 120.0
ROOT = Path(__file__).parents[2]
_STAGES = (
    "get stageset shop -o jsonpath='{range .status.stages[*]}"
    '{.name}{"\\t"}{.phase}{"\\t"}{.appliedRevision}{"\\n"}{end}\''
)

Status = dict[str, Any]


class Controls:
    """The demo's hands: starts and kills, publishes, waits, asks."""

    def __init__(self, world: World, terminal: Terminal, *, folder: Path) -> None:
        self.world, self.terminal, self.folder = world, terminal, folder
        self.ledger = folder / "ledger.db"
        self.hold = folder / "hold"
        #: where the hook server listens
        self.hook_host = ""
        self._served = folder / "artifacts"
        self._served.mkdir()
        self._programs: list[Program] = []
        self._starts = 0
        self._host = ""

    # ── programs ─────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self) -> None:
        """Start the servers, a witness of all Jobs, and the controller."""
        self._host = self._serve(programs.artifact_server(self.folder, served=self._served), what="artifact server")
        self.hook_host = self._serve(programs.hook_server(self.folder, hold=self.hold), what="hook server")
        columns = "EVENT:.type,JOB:.object.metadata.name,UID:.object.metadata.uid"
        watch = ("get", "jobs", "--watch", "--output-watch-events", "-o", f"custom-columns={columns}")
        self._programs.append(Program("jobs", command=self.world.command(*watch), directory=self.folder))
        self.start_controller()

    def _serve(self, server: Program, *, what: str) -> str:
        self._programs.append(server)
        port = self.terminal.wait(
            f"the {what} answers", lambda: server.said(r"port (\d+)"), deadline_s=20, needs=[server]
        )
        return f"127.0.0.1:{port}"

    @property
    def controller(self) -> Program:
        return self._programs[-1]

    def start_controller(self) -> None:
        """Start it, or start it again: the same command each time."""
        self._starts += 1
        kubeconfig = ["--kubeconfig", self.world.kubeconfig] if self.world.kubeconfig else []
        options = [
            "--ledger", str(self.ledger), "--watch-namespaces", self.world.namespace,
            "--allowed-artifact-hosts", self._host, "--allowed-action-hosts", self.hook_host, *kubeconfig,
        ]  # fmt: skip
        self._programs.append(programs.controller(self.folder, *options, number=self._starts))

    def kill_controller(self) -> None:
        """SIGKILL: it gets no chance to write anything down."""
        pid = self.controller.pid
        self.terminal.command(f"kill -9 {pid}")
        os.kill(pid, signal.SIGKILL)
        self._programs.pop().kill()

    def close(self) -> None:
        """End all programs, by their process ids."""
        while self._programs:
            self._programs.pop().end()

    # ── the cluster ──────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, packed: release.Artifact) -> None:
        """Let a source stand for a revision that the artifact server has."""
        (self._served / packed.file_name).write_bytes(packed.body)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.world.publish(packed, url=f"http://{self._host}", at=now)

    def until(self, what: str, holds: Callable[[Status], bool], *, deadline_s: float = 40) -> Status:
        """Wait until the StageSet's status is as it should be; returns it."""
        last: Status = {}

        def ask() -> Status | None:
            nonlocal last
            last = (self.world.get("stageset", release.NAME) or {}).get("status") or {}
            return last if last.get("conditions") and holds(last) else None

        return self.terminal.wait(
            what, ask, deadline_s=deadline_s, needs=self._programs,
            now=lambda: ready(last)["message"] if last.get("conditions") else "nothing seen of the StageSet yet",
        )  # fmt: skip

    def until_ready(self, revision: str) -> Status:
        return self.until(
            "all stages become ready",
            lambda status: ready(status)["status"] == "True" and attempted(status) == revision,
        )

    def until_told(self, what: str, ask: Callable[[], T | None]) -> T:
        """Wait for what the cluster, the ledger or a log tells."""
        return self.terminal.wait(what, ask, deadline_s=40, needs=self._programs)

    def show_stages(self, status: Status, revisions: list[str], *, phases: list[str]) -> None:
        """Show the stages, and check those of the status that was waited for: a retry may be under way by now."""
        self.world.show(_STAGES)
        found = [(stage["phase"], stage.get("appliedRevision")) for stage in status["stages"]]
        if found != list(zip(phases, revisions, strict=True)):
            raise DemoFailed(f"the stages are not as expected: {found}, not {phases} with {revisions}")

    # ── the ledger ───────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, query: str) -> list[Any]:
        """The rows of a query, read beside the controller."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def last_run(self) -> tuple[str, str]:
        """The run that was at work last, and its stream."""
        ((run, stream),) = self.ask("select run, stream from event where run <> '' order by seq desc limit 1")
        return run, stream

    def show_query(self, query: str) -> None:
        """Show a query and its rows as a table."""
        self.terminal.command(f'sqlite-utils query {near(self.ledger)} "{query}" -t')
        self._run([str(Path(sys.executable).with_name("sqlite-utils")), "query", str(self.ledger), query, "-t"])

    def show_lines(self, log: Path, *, with_: str) -> list[str]:
        """Show the lines of a log that hold a word; returns them."""
        self.terminal.command(f"grep {with_} {near(log)}")
        lines = [line for line in log.read_text().splitlines() if with_ in line]
        self.terminal.output("\n".join(lines))
        return lines

    def stagesetctl(self, *words: str) -> int:
        """Run and show a command; returns its exit code."""
        self.terminal.command("stagesetctl " + shlex.join(words))
        return self._run([sys.executable, "-m", "replay", *words])

    def _run(self, command: list[str]) -> int:
        try:
            done = subprocess.run(command, cwd=ROOT, check=False, timeout=COMMAND_S)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{shlex.join(command)} did not end within {COMMAND_S:.0f} s") from None
        self.terminal.gap()
        return done.returncode


def ready(status: Status) -> dict[str, str]:
    """The Ready condition."""
    return next(one for one in status["conditions"] if one["type"] == "Ready")


def attempted(status: Status) -> str:
    """The revision of the stages that the last run is about."""
    return next(iter((status.get("lastAttemptedRevisions") or {}).values()), "")


def near(path: Path) -> str:
    """The path as one types it in the repository."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
