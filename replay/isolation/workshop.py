"""The parent of a child that computes: finds kustomize, lends it a folder, and ends whatever is left.

Not the guards: those are the child's. Invariant: when it returns, the folder and every process that was started are
gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from reconciler.adapters.kustomize import Tool, find_tool
from reconciler.errors import OperationError
from replay.errors import Escaped, Unreadable
from replay.forking.changes import Changes
from replay.isolation import request as asking
from replay.isolation.child import Answer
from replay.isolation.parent import WITHIN_S, answer_of, check_file
from replay.isolation.request import Request

#: What a child that computes runs.
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from replay.isolation.worker import main; main(int(sys.argv[2]))"
_ROOT = Path(__file__).parents[2]
_MEMORY = "/dev/shm"  # noqa: S108 (a private folder is made inside it, mode 0700)


def compute(path: Path, *, until: int = 0, changes: Changes | None = None) -> Answer:
    """Have a bundle's answers computed again, or decided on with changes, in a child.

    Raises `Unreadable` where it cannot be opened, `Escaped` without an answer.
    """
    check_file(path)
    tool = _tool()
    scratch = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="stagereplay-", dir=scratch) as folder, tempfile.TemporaryFile() as asked:
        request = Request(
            argv=tool.argv if tool else (),
            tool=tool.identity if tool else "",
            folder=folder,
            until=until,
            changes=changes,
        )
        asking.write(request, asked)
        return answer_of(path, _run(path, asked.fileno()))


def _tool() -> Tool | None:
    try:
        return asyncio.run(find_tool())
    except OperationError:
        return None


def _run(path: Path, asked: int) -> subprocess.CompletedProcess[bytes]:
    # -E: nothing in Python itself asks for the environment either.
    command = [sys.executable, "-E", "-P", "-s", "-B", "-c", BOOT, str(_ROOT), str(asked)]
    try:
        with path.open("rb") as file:
            child = subprocess.Popen(  # noqa: S603 (this very interpreter)
                command,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=(asked,),
                # A group of its own, so that a kustomize is ended with it.
                start_new_session=True,
            )
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    try:
        output, errors = child.communicate(timeout=WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise Escaped(f"{path}: the replay did not end within {WITHIN_S:g} s and was ended") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return subprocess.CompletedProcess(command, child.returncode, output, errors)
