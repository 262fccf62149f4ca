"""The acts: a release, a broken one, one that survives a kill, and what the ledger says of them all.

Not the programs' handling and not the data. Each act checks what it shows.
"""

from __future__ import annotations

import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.demo import programs, release
from tests.demo.programs import Program
from tests.demo.terminal import DemoFailed, Terminal
from tests.demo.world import World

_STAGES = (
    "get stageset shop -o jsonpath='{range .status.stages[*]}"
    '{.name}{"\\t"}{.phase}{"\\t"}{.appliedRevision}{"\\n"}{end}\''
)
#: What each stage of a run cost, from the ledger alone.
_COUNTS = (
    "select stage, sum(type = 'apply.intended') as intended, sum(type = 'apply.finished') as applied"
    " from event where run = '{run}' and stage <> '' group by stage order by min(seq)"
)


class Story:
    """The demo's acts, in order. Ends its programs when closed."""

    def __init__(self, world: World, terminal: Terminal, *, folder: Path) -> None:
        self._world, self._terminal, self._folder = world, terminal, folder
        self.ledger = folder / "ledger.db"
        self._served = folder / "artifacts"
        self._served.mkdir()
        self._programs: list[Program] = []
        self._starts = 0
        self._host = ""

    def begin(self) -> None:
        """Start the artifact server and the controller."""
        server = programs.artifact_server(self._folder, served=self._served)
        self._programs.append(server)
        port = self._terminal.wait(
            "the artifact server answers", lambda: server.said(r"port (\d+)"), deadline_s=20, needs=[server]
        )
        self._host = f"127.0.0.1:{port}"
        self._start_controller()
        self._terminal.good(f"the controller runs (pid {self._controller.pid}), its ledger is {near(self.ledger)}")

    def close(self) -> None:
        """End all programs, by their process ids."""
        while self._programs:
            self._programs.pop().end()

    def good_release(self) -> None:
        """Act 1: three stages, one after the other."""
        world, terminal = self._world, self._terminal
        terminal.title(f"Release {release.GOOD}: database, then backend, then frontend")
        world.apply(release.source(world.namespace), release.smoke_test(world.namespace))
        self._publish(release.GOOD)
        world.apply(release.stageset(world.namespace))
        status = self._until_ready(release.GOOD)
        world.show("get stagesets")
        self._show_stages(status, [release.GOOD] * 3, phases=["Ready"] * 3)
        world.show("get stageinventory -l stages.metio.wtf/stage-set=shop")

    def broken_release(self) -> None:
        """Act 2: the second stage does not become ready; the third is left alone."""
        terminal = self._terminal
        terminal.title(f"Release {release.BROKEN}: its backend does not start")
        self._publish(release.BROKEN)
        status = self._wait(
            "the run halts",
            lambda status: _ready(status)["reason"] == "StageFailed" and _attempted(status) == release.BROKEN,
        )
        self._world.show("get stagesets")
        self._show_stages(status, [release.BROKEN, release.GOOD, release.GOOD], phases=["Ready", "Failed", "Pending"])
        terminal.good(f"StageFailed names stage and operation; stage frontend is still on {release.GOOD}")

    def killed_release(self) -> None:
        """Act 3: SIGKILL while the second stage is verified; the same run goes on."""
        world, terminal = self._world, self._terminal
        terminal.title(f"Release {release.FIXED}: kill -9 in the middle")
        terminal.say("Backend also waits for the result of its smoke test, which is not there yet.")
        world.kubectl("delete", "configmap", release.SMOKE_TEST)
        self._publish(release.FIXED)
        self._wait(
            "stage backend is being verified",
            lambda status: _attempted(status) == release.FIXED and status["stages"][1]["phase"] == "Verifying",
        )
        run, before = self._last()[0], self._applied()
        self._kill()
        world.show("get stagesets")
        self._start_controller()
        world.apply(release.smoke_test(world.namespace))
        terminal.good(f"the controller is started again (pid {self._controller.pid}); the smoke test has passed")
        status = self._until_ready(release.FIXED)
        self._show_stages(status, [release.FIXED] * 3, phases=["Ready"] * 3)
        self._check_resumed(run, before)

    def from_the_ledger(self) -> None:
        """Act 4: the whole story, with the cluster gone quiet."""
        self._terminal.title("What happened? The ledger tells, and nothing else is asked")
        ledger, run, stream = near(self.ledger), *self._last()
        self.stagesetctl("ledger", "ls", ledger)
        self.stagesetctl("ledger", "show", "--stream", stream, "--type", "run.*", "--type", "stage.*", ledger)
        self._terminal.say("The killed run in its second stage. Its verification was begun by one process and answered")
        self._terminal.say("by the next; between the two, on the ledger's own stream, is only a new writer's epoch:")
        self.stagesetctl("ledger", "show", "--run", run, "--stage", release.SECOND, ledger)
        self.stagesetctl("ledger", "show", "--stream", "ledger", ledger)

    def stagesetctl(self, *words: str) -> int:
        """Run and show a command on the ledger; returns its exit code."""
        self._terminal.command("stagesetctl " + shlex.join(words))
        return self._run([sys.executable, "-m", "replay", *words])

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _controller(self) -> Program:
        return self._programs[-1]

    def _start_controller(self) -> None:
        self._starts += 1
        self._programs.append(
            programs.controller(
                self._folder,
                ledger=self.ledger,
                namespace=self._world.namespace,
                artifact_host=self._host,
                kubeconfig=self._world.kubeconfig,
                number=self._starts,
            )
        )

    def _kill(self) -> None:
        pid = self._controller.pid
        self._terminal.command(f"kill -9 {pid}")
        os.kill(pid, signal.SIGKILL)
        self._programs.pop().kill()

    def _publish(self, revision: str) -> None:
        packed = release.artifact(revision, namespace=self._world.namespace, workloads=self._world.sandbox)
        (self._served / packed.file_name).write_bytes(packed.body)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._world.publish(packed, url=f"http://{self._host}", at=now)
        self._terminal.good(f"the source has revision {revision}")

    def _until_ready(self, revision: str) -> dict[str, Any]:
        return self._wait(
            "all stages become ready",
            lambda status: _ready(status)["status"] == "True" and _attempted(status) == revision,
        )

    def _wait(self, what: str, holds: Any, *, deadline_s: float = 40) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def ask() -> dict[str, Any] | None:
            nonlocal last
            last = (self._world.get("stageset", release.NAME) or {}).get("status") or {}
            return last if last.get("conditions") and holds(last) else None

        return self._terminal.wait(
            what, ask, deadline_s=deadline_s, needs=self._programs,
            now=lambda: _ready(last)["message"] if last.get("conditions") else "nothing seen of the StageSet yet",
        )  # fmt: skip

    def _show_stages(self, status: dict[str, Any], revisions: list[str], *, phases: list[str]) -> None:
        """Show the stages, and check those of the status that was waited for: a retry may be under way by now."""
        self._world.show(_STAGES)
        stages = status["stages"]
        found = [(stage["phase"], stage.get("appliedRevision")) for stage in stages]
        if found != list(zip(phases, revisions, strict=True)):
            raise DemoFailed(f"the stages are not as expected: {found}, not {phases} with {revisions}")

    def _last(self) -> tuple[str, str]:
        """The run that was at work last, and its stream, from the ledger, read beside the controller."""
        query = "select run, stream from event where run <> '' order by seq desc limit 1"
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            run, stream = connection.execute(query).fetchone()
        return run, stream

    def _applied(self) -> dict[str, str]:
        """Uid, and what moves with every apply that changes something (a Deployment's version follows its status)."""
        listed = self._world.get("configmaps,deployments", "-l", f"stages.metio.wtf/name={release.NAME}")
        return {
            f"{obj['kind']}/{obj['metadata']['name']}": f"{obj['metadata']['uid']} "
            + str(obj["metadata"].get("generation") or obj["metadata"]["resourceVersion"])
            for obj in listed["items"]
            if "frontend" not in obj["metadata"]["name"]
        }

    def _check_resumed(self, run: str, before: dict[str, str]) -> None:
        terminal = self._terminal
        query = _COUNTS.format(run=run)
        terminal.command(f'sqlite-utils query {near(self.ledger)} "{query}" -t')
        self._run([str(Path(sys.executable).with_name("sqlite-utils")), "query", str(self.ledger), query, "-t"])
        if (last := self._last()[0]) != run:
            raise DemoFailed(f"another run was opened after the restart: {last}, not {run}")
        after = self._applied()
        # The broken Deployment is not there any more where the fixed revision has none.
        twice = {name: (was, after[name]) for name, was in before.items() if after.get(name, was) != was}
        if twice:
            raise DemoFailed(f"objects changed although they had been applied before the kill: {twice}")
        terminal.good(f"the same run went on ({run}); every stage was applied once")
        terminal.good(
            f"{len(before.keys() & after.keys())} objects that were there before the kill have not been touched since"
        )

    def _run(self, command: list[str]) -> int:
        root = Path(__file__).parents[2]
        done = subprocess.run(command, cwd=root, check=False, timeout=120)
        self._terminal.say("")
        return done.returncode


def _ready(status: dict[str, Any]) -> dict[str, str]:
    return next(one for one in status["conditions"] if one["type"] == "Ready")


def _attempted(status: dict[str, Any]) -> str:
    return next(iter((status.get("lastAttemptedRevisions") or {}).values()), "")


def near(path: Path) -> str:
    """The path as one types it in the repository."""
    root = Path(__file__).parents[2]
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
