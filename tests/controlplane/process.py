"""One program of the control plane as a child process: started, watched, ended.

No child outlives its parent: it is killed at the end, also after a failure, and (on Linux) by the kernel if the thread
that started it is gone. It runs in a session of its own: Ctrl-C reaches only the parent, which then ends the children.
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TAIL_LINES = 25
#: From linux/prctl.h: "send me this signal when my parent dies".
PR_SET_PDEATHSIG = 1
#: Loaded before the fork: between fork and exec nothing may be imported.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class ComponentFailedError(Exception):
    """A program ended, or did not become ready in time; the message has the tail of its log."""


def _die_with_the_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Component:
    """A running program with its log file. `name` is the binary's; the process starts with the object."""

    def __init__(self, name: str, *, command: list[str], directory: Path) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_the_parent,  # noqa: PLW1509 - one prctl, already loaded: no lock that a thread may hold
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def tail(self) -> str:
        """The last lines of the log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])

    def check(self) -> None:
        """Raise ComponentFailedError if the program has ended."""
        if (code := self._process.poll()) is not None:
            raise ComponentFailedError(f"{self.name} ended with {code}; the end of {self.log}:\n{self.tail()}")

    def kill(self) -> None:
        """End the program at once and wait until it is gone. Its data are thrown away, so there is nothing to save."""
        self._process.kill()
        self._process.wait()


def wait_until(
    ready: Callable[[], bool], *, what: str, component: Component, deadline_s: float, pause_s: float = 0.02
) -> None:
    """Ask `ready` again and again until it says yes.

    Raises:
        ComponentFailedError: `component` ended, or `deadline_s` seconds went by; the message has the tail of its log.
    """
    give_up_at = time.monotonic() + deadline_s
    while not ready():
        component.check()
        if time.monotonic() > give_up_at:
            raise ComponentFailedError(
                f"{what}: not so after {deadline_s:.0f} s; the end of {component.log}:\n{component.tail()}"
            )
        time.sleep(pause_s)
