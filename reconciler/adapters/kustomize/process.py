"""One kustomize process: private directory, empty environment, capped output and time, always cleaned up.

Not a cache and not a judge of references: `compute.kustomization` refused those before. Invariant: directory and
process group are gone when `run` returns, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.adapters.fair import FairSlots
from reconciler.adapters.kustomize.tool import Tool
from reconciler.compute.kustomization import BuildTree
from reconciler.compute.sizes import human_bytes
from reconciler.errors import OperationError

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a private directory is made inside it, mode 0700
_READ_BYTES = 64 * 1024
#: A port where nothing listens: whatever would reach the network after all fails at once (loopback aside).
_NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildLimits:
    """Caps on one build, and on how many run at once."""

    total_s: float = 60.0
    output_bytes_max: int = 32 * 1024 * 1024
    error_bytes_max: int = 64 * 1024
    #: Characters of kustomize's words in a message.
    message_chars_max: int = 2_000
    concurrent_max: int = max(1, os.cpu_count() or 1)


class Kustomize:
    """Runs the tool."""

    def __init__(self, tool: Tool, *, limits: BuildLimits | None = None, scratch: str | None = None) -> None:
        """`scratch` is where the private directories are made: memory if there is some, else the system's default."""
        self._tool, self._limits = tool, limits or BuildLimits()
        self._scratch = scratch or (_SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK | os.X_OK) else None)
        self._slots = FairSlots(self._limits.concurrent_max)

    @property
    def identity(self) -> str:
        """Which kustomize this is; part of every build's digest."""
        return self._tool.identity

    async def run(self, tree: BuildTree) -> str:
        """The rendered YAML.

        Raises `OperationError`: `BuildFailed`, `BuildOutputTooLarge` (not retryable), `BuildTimeout` (retryable).
        """
        async with self._slots.turn():
            private = _private_directory(self._scratch)
            try:
                await _to_the_end(write, Path(private) / "tree", tree)
                return await self._run(private, tree)
            finally:
                await _to_the_end(shutil.rmtree, private, True)

    async def _run(self, private: str, tree: BuildTree) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._tool.argv,
            str(Path(private) / "tree" / tree.directory),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=private,
            env=environment(private),
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._limits.total_s):
                output, errors = await self._collect(process)
                code = await process.wait()
        except TimeoutError:
            raise self._too_slow(tree) from None
        finally:
            await _end(process)
        if code != 0:
            raise failed(errors, private, tree=tree, limits=self._limits)
        return output.decode("utf-8", "replace")

    async def _collect(self, process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.TaskGroup() as group:
            output = group.create_task(_read(process.stdout, self._limits.output_bytes_max + 1))
            errors = group.create_task(_read(process.stderr, self._limits.error_bytes_max))
        if len(output.result()) > self._limits.output_bytes_max:
            raise too_large(self._limits)
        return output.result(), errors.result()

    def _too_slow(self, tree: BuildTree) -> OperationError:
        message = f"kustomize did not build {_named(tree)} within {self._limits.total_s:g} s: split the stage"
        return OperationError(message, reason="BuildTimeout", retryable=True)


def failed(errors: bytes, private: str, *, tree: BuildTree, limits: BuildLimits) -> OperationError:
    """The failure of a build that ended badly, from what kustomize said; `private` is the directory it worked in."""
    said = _cleaned(errors.decode("utf-8", "replace"), private)[: limits.message_chars_max]
    message = f"kustomize cannot build {_named(tree)}: {said or 'it gave no reason'}"
    return OperationError(message, reason="BuildFailed", retryable=False)


def too_large(limits: BuildLimits) -> OperationError:
    """The failure of a build that rendered too much."""
    cap = human_bytes(limits.output_bytes_max)
    message = f"kustomize rendered more than {cap}: split the stage"
    return OperationError(message, reason="BuildOutputTooLarge", retryable=False)


async def _to_the_end(work: Callable[..., object], *args: object) -> None:
    """Runs it in a thread and, when cancelled, waits for it all the same: files must not appear after their removal."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _named(tree: BuildTree) -> str:
    return f'path "{tree.directory}"' if tree.directory else "the artifact's root"


def _private_directory(scratch: str | None) -> str:
    """Mode 0700, as `mkdtemp` makes it."""
    return tempfile.mkdtemp(prefix="stageset-build-", dir=scratch)


def write(root: Path, tree: BuildTree) -> None:
    """The tree as files."""
    root.mkdir(mode=0o700)
    made = {root}
    for name, content in tree.files.items():
        path = root / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)


def environment(private: str) -> dict[str, str]:
    """No PATH, so that no git, helm or plugin can be started; no kubeconfig, no credentials, no way out."""
    return {"HOME": private, "TMPDIR": private, "HTTP_PROXY": _NOWHERE, "HTTPS_PROXY": _NOWHERE}


async def _read(stream: asyncio.StreamReader, bytes_max: int) -> bytes:
    """At most `bytes_max` bytes; the rest is read and dropped, so that the writer does not block."""
    kept = bytearray()
    while chunk := await stream.read(_READ_BYTES):
        kept += chunk[: bytes_max - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills the whole process group: a child of the tool must not outlive it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.wait())


def _cleaned(said: str, private: str) -> str:
    """kustomize's words without the private directory, its prefixes and its warnings."""
    root = f"{private}/tree"
    for prefix in (os.path.realpath(root), root, os.path.realpath(private), private):
        said = said.replace(f"{prefix}/", "").replace(prefix, ".")
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("# Warning:")]
    text = re.sub(r"\s+", " ", " ".join(lines)).strip()
    return re.sub(r"^[Ee]rror: ", "", text)
