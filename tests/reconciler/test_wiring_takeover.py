"""Two controller processes, one ledger, one Lease: who waits for what, and who takes over when.

Real processes and real signals, against a sandbox. The durations of the election are short, so that this takes seconds.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from reconciler.adapters.lease import NAME
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import Component, wait_until

#: Processes, real ones.
pytestmark = pytest.mark.slow

LEASE_S, DEADLINE_S, RETRY_S = 4, 3, 0.5
LEASE = f"Lease default/{NAME}"
ELECTION = (
    "--leader-elect", "--leader-election-namespace=default", f"--leader-election-lease-duration={LEASE_S}s",
    f"--leader-election-renew-deadline={DEADLINE_S}s", f"--leader-election-retry-period={RETRY_S}s",
)  # fmt: skip
#: The programs run in a folder of their own.
HERE = ("env", f"PYTHONPATH={Path(__file__).parents[2]}")
#: For what takes no longer than a start of Python on a busy machine.
SOON_S = 30.0


class Program(Component):
    """A process, its log and its end."""

    def said(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.log.read_text())

    def until_said(self, pattern: str, *, deadline_s: float = SOON_S) -> re.Match[str]:
        wait_until(lambda: self.said(pattern) is not None, what=pattern, component=self, deadline_s=deadline_s)
        found = self.said(pattern)
        assert found is not None
        return found

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """The exit code, once it has ended."""
        return self._process.wait(timeout=SOON_S)


class Controller(Program):
    """A controller on the stage's cluster and ledger."""

    def __init__(self, name: str, *flags: str, folder: Path) -> None:
        with ExitStack() as stack:
            held = [stack.enter_context(socket.socket()) for _ in range(2)]
            for one in held:
                one.bind(("127.0.0.1", 0))
            self.metrics_port, self.probes_port = (one.getsockname()[1] for one in held)
        command = [
            *HERE, sys.executable, "-m", "reconciler", "--ledger", str(folder / "ledger.db"), "--log-format", "text",
            "--kubeconfig", str(folder / "kubeconfig"), f"--metrics-bind-address=127.0.0.1:{self.metrics_port}",
            f"--health-probe-bind-address=127.0.0.1:{self.probes_port}", *flags,
        ]  # fmt: skip
        super().__init__(name, command=command, directory=folder)

    @property
    def identity(self) -> str:
        return self.until_said(rf"leader: the {LEASE} is ours as (\S+?)(,|\s)")[1]

    def get(self, path: str) -> tuple[int, str]:
        port = self.metrics_port if path == "/metrics" else self.probes_port
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://127.0.0.1:{port}{path}", timeout=10
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def leads(self) -> bool:
        return "\nstageset_leader 1.0\n" in self.get("/metrics")[1]

    def until_works(self, *, deadline_s: float = SOON_S) -> None:
        """Until it may act and has seen everything."""

        def works() -> bool:
            try:
                return self.leads() and self.get("/readyz") == (200, "ok\n")
            except OSError:
                return False

        wait_until(works, what="it works", component=self, deadline_s=deadline_s)


class Stage:
    """A cluster, a folder with the ledger, and the programs."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        command = [*HERE, sys.executable, "-u", "-m", "replay", "sandbox", "--kubeconfig", str(folder / "kubeconfig")]
        self.sandbox = Program("sandbox", command=command, directory=folder)
        stack.callback(self.sandbox.kill)
        self.sandbox.until_said("answers on")
        self.kubectl = Kubectl(kubeconfig=folder / "kubeconfig", namespace="default")

    def controller(self, name: str, *flags: str) -> Controller:
        found = Controller(name, *flags, folder=self.folder)
        self._stack.callback(found.kill)
        return found

    def holder(self) -> str:
        found: str = self.kubectl.get("lease", NAME)["spec"]["holderIdentity"]
        return found

    def epochs(self) -> list[str]:
        """The reasons of the epochs, in order."""
        with closing(sqlite3.connect(f"file:{self.folder / 'ledger.db'}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT body FROM record WHERE header ->> 'type' = 'ledger.epoch.opened' ORDER BY seq"
            ).fetchall()
        return [json.loads(body)["reason"] for (body,) in rows]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def standing_by(stage: Stage, leader: Controller) -> Controller:
    """A second process, which waits for the Lease."""
    standby = stage.controller("standby", *ELECTION)
    standby.until_said(rf"standby: waits for the {LEASE}, held by {re.escape(leader.identity)}\s")
    return standby


def test_a_standby_is_ready_holds_nothing_and_takes_over_at_once_when_the_leader_ends(stage):
    leader = stage.controller("leader", *ELECTION)
    leader.until_works()
    standby = standing_by(stage, leader)
    assert standby.get("/readyz") == standby.get("/healthz") == (200, "ok\n")
    assert not standby.leads()
    assert (stage.folder / "ledger.db.lock").read_text() == f"process {leader.pid}\n"
    assert stage.holder() == leader.identity
    assert stage.epochs() == ["start"]
    assert leader.end() == 0
    assert "ending with 0: SIGTERM received" in leader.log.read_text()
    # It was given back: nobody waits for it to run out.
    assert timed(standby.until_works) < LEASE_S
    assert stage.holder() == standby.identity
    assert stage.epochs() == ["start", "start"]
    assert stage.kubectl.get("lease", NAME)["spec"]["leaseTransitions"] == 1
    assert standby.end() == 0
    assert stage.holder() == ""


@pytest.mark.slow
def test_a_standby_takes_over_when_the_lease_of_a_killed_leader_runs_out(stage):
    leader = stage.controller("leader", *ELECTION)
    leader.until_works()
    standby, was = standing_by(stage, leader), leader.identity
    leader.kill()
    took_s = timed(standby.until_works)
    assert LEASE_S - RETRY_S - 0.5 < took_s < LEASE_S + 2 * 2.2 * RETRY_S + SOON_S / 3
    assert stage.epochs() == ["start", f"lease taken from {was}"]
    standby.until_said(rf"leader: the {LEASE} is ours as \S+, taken from {re.escape(was)}, which let it run out")
    assert standby.end() == 0


@pytest.mark.slow
def test_a_paused_leader_gives_up_before_anything_else_and_the_ledger_waits_for_it(stage):
    leader = stage.controller("leader", *ELECTION)
    leader.until_works()
    standby = standing_by(stage, leader)
    leader.signal(signal.SIGSTOP)
    try:
        said = standby.until_said(
            r"waits for the ledger (\S+): another process \(process (\d+)\) has it open for writing"
        )
        assert (said[1], said[2]) == (str(stage.folder / "ledger.db"), str(leader.pid))
        assert standby.get("/readyz") == (503, "the ledger is not open yet\n")
        assert not standby.leads()
        assert stage.epochs() == ["start"]
    finally:
        leader.signal(signal.SIGCONT)
    assert leader.ended() == 3
    assert re.search(
        rf"ending with 3: the {LEASE} was not renewed for \d+\.\d s: the process stood still", leader.log.read_text()
    )
    standby.until_works()
    assert stage.holder() == standby.identity, "what is another's is not given back"
    assert stage.epochs() == ["start", f"lease taken from {leader.identity}"]
    assert standby.end() == 0


@pytest.mark.slow
def test_a_leader_that_loses_the_api_ends_with_3(stage):
    leader = stage.controller("leader", *ELECTION)
    leader.until_works()
    stage.sandbox.kill()
    assert timed(leader.ended) < DEADLINE_S + SOON_S / 2
    assert leader.ended() == 3
    log = leader.log.read_text()
    assert re.search(rf"ending with 3: the {LEASE} was not renewed for 3\.\d s: ", log)
    assert "was not given back" in log
    # Started again, it waits for the API instead of ending again and again.
    again = stage.controller("again", *ELECTION)
    again.until_said(f"the {LEASE} cannot be acquired: .*; it is tried again")
    assert again.get("/healthz") == (200, "ok\n")
    assert again.end() == 0


def test_a_standby_ends_at_once(stage):
    leader = stage.controller("leader", *ELECTION)
    leader.until_works()
    standby = standing_by(stage, leader)
    assert standby.end() == 0
    assert stage.holder() == leader.identity
    assert leader.end() == 0


@pytest.mark.slow
def test_without_an_election_the_file_lock_is_waited_for(stage):
    first = stage.controller("first")
    first.until_works()
    second, third = stage.controller("second"), stage.controller("third")
    for one in (second, third):
        one.until_said(rf"waits for the ledger \S+: another process \(process {first.pid}\) has it open for writing")
        assert one.get("/readyz") == (200, "ok\n")
    assert second.end() == 0
    first.kill()
    third.until_works()
    assert stage.epochs() == ["start", "start"]
    assert third.end() == 0


def test_an_election_outside_a_pod_needs_a_namespace(stage):
    lost = stage.controller("lost", "--leader-elect")
    assert lost.ended() == 1
    assert lost.log.read_text().splitlines()[-1] == (
        "Error: --leader-elect outside a Pod needs a namespace for its Lease: "
        "name one with --leader-election-namespace."
    )
