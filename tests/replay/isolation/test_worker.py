"""The child that computes: isolated, and gone with all that it started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from replay.errors import Escaped, Unreadable
from replay.forking.changes import Changes
from replay.isolation import workshop
from replay.isolation.workshop import compute
from tests.replay.forking import forks

#: Processes, real ones.
pytestmark = pytest.mark.slow


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "failed.stagereplay"
    path.write_bytes(forks.data("patch"))
    return path


def left() -> set[str]:
    return {name for folder in ("/dev/shm", "/tmp") for name in os.listdir(folder) if name.startswith("stagereplay-")}


def test_it_computes_behind_its_guards_and_leaves_nothing(bundle: Path) -> None:
    before = left()
    found = compute(bundle)
    assert found.problem is None
    assert found.recomputed is not None
    assert [one.result for one in found.recomputed.answers] == ["same", "same"]
    assert found.guards["no sockets, programs or files but kustomize in a folder of its own"]
    assert found.guards["no file grows"]
    assert left() == before


def test_a_fork_is_what_it_is_without_isolation(bundle: Path) -> None:
    sets = (("spec.stages[db].patches", forks.FIXED),)
    assert compute(bundle, changes=Changes(sets=sets, simulate=True)).forked == forks.forked(
        "patch", *sets, simulate=True
    )


@pytest.mark.parametrize(
    "planted",
    [
        "__import__('socket').getaddrinfo('localhost', 1)",
        "__import__('subprocess').run(['/bin/true'], env={})",
        "open('/tmp/stagereplay-planted', 'w')",
        "__import__('os').environ.get('HOME')",
    ],
)
def test_a_breach_is_6(planted: str, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = workshop.BOOT.replace(
        "; main(",
        f"; import reconciler.compute.archive as a; real = a.extract; a.extract = lambda *_: {planted}; main(",
    )
    monkeypatch.setattr(workshop, "BOOT", boot)
    found = compute(bundle)
    assert found.problem is not None
    assert (found.problem.kind, found.problem.exit_code) == ("Escaped", 6)
    assert not Path("/tmp/stagereplay-planted").exists()


def test_what_it_left_running_is_ended(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that dies leaves no program behind, and no folder."""
    marked = "import os, sys, subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', "
    monkeypatch.setattr(workshop, "BOOT", marked + f"'{bundle}'], stdout=-3, stderr=-3); os._exit(3)")
    with pytest.raises(Escaped, match="ended with code 3"):
        compute(bundle)
    for _ in range(10_000):
        # A signal needs a moment to be acted upon.
        if not [pid for pid in os.listdir("/proc") if pid.isdecimal() and f"sleep(600) {bundle}" in _command(pid)]:
            return
        os.sched_yield()
    raise AssertionError("it is still running")


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="there is no such file"):
        compute(tmp_path / "none")
