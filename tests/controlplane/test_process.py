"""Programs are ended whatever happens to whoever started them, and failures show the log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.controlplane.binaries import HERE, TOOLS
from tests.controlplane.cluster import PREFIX, ControlPlane
from tests.controlplane.process import Component, ComponentFailedError, wait_until


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from tests.controlplane.process import Component; import signal;"
        f"c = Component('child', command=['sleep', '600'], directory=Path({str(tmp_path)!r}));"
        "print(c.pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    other = Component("other", command=["sleep", "600"], directory=tmp_path)
    try:
        wait_until(lambda: not is_alive(child), what="the child is gone", component=other, deadline_s=10)
    finally:
        other.kill()


def test_a_program_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    component = Component("broken", command=["sh", "-c", "echo no such flag; exit 3"], directory=tmp_path)
    with pytest.raises(ComponentFailedError, match=r"broken ended with 3; the end of \S+broken\.log:\s+no such flag"):
        wait_until(lambda: False, what="it is ready", component=component, deadline_s=10)


def test_a_program_that_is_not_ready_in_time_shows_its_last_words(tmp_path: Path) -> None:
    component = Component("slow", command=["sh", "-c", "echo thinking; exec sleep 600"], directory=tmp_path)
    try:
        wait_until(lambda: "thinking" in component.tail(), what="it speaks", component=component, deadline_s=10)
        with pytest.raises(ComponentFailedError, match=r"it is ready: not so after 0 s; .*\s+thinking"):
            wait_until(lambda: False, what="it is ready", component=component, deadline_s=0)
    finally:
        component.kill()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv("KEEP_CONTROLPLANE", raising=False)
    return tmp_path / "tmp"


def test_a_control_plane_that_cannot_start_says_why_and_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    for tool in TOOLS:
        last_words = "exec sleep 600" if tool.name == "etcd" else "echo unknown flag; exit 2"
        (tmp_path / tool.name).write_text(f"#!/bin/sh\n{last_words}\n", encoding="ascii")
        (tmp_path / tool.name).chmod(0o755)
    plane = ControlPlane(tmp_path)
    with pytest.raises(ComponentFailedError, match=r"(?s)kube-apiserver ended with 2;.*unknown flag"):
        plane.start()
    assert plane.components == {}
    assert list(temporary.iterdir()) == []


def test_the_directory_of_a_killed_owner_is_swept_away(temporary: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead, mine = temporary / f"{PREFIX}{gone.pid}-x", temporary / f"{PREFIX}{os.getpid()}-x"
    dead.mkdir()
    mine.mkdir()
    ControlPlane(temporary).stop()
    assert list(temporary.iterdir()) == [mine]
