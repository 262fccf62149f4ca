"""The real kustomize, one process at a time, in the folder that the isolation left open for it.

Not the guards: they let this one program through, in this one folder. Invariant: it gets the environment, the tree and
the limits that the controller gives it, so that it says the same words.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from reconciler.adapters.kustomize import BuildLimits
from reconciler.adapters.kustomize.process import environment, failed, too_large, write
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import OperationError
from replay.performing.recorded import NotRecorded

_READ_BYTES = 64 * 1024
#: Folders of one process are told apart by them.
_NUMBERS = count(1)


class Workshop(NamedTuple):
    """Where kustomize may be run."""

    #: how to run a build, without the directory; the first word is a path
    argv: tuple[str, ...]
    #: which kustomize that is
    identity: str
    #: a folder of our own
    folder: str
    #: lets files grow in the folder for a while
    writing: Callable[[], AbstractContextManager[None]]
    #: open file that has nothing to say, for its standard input
    nothing: int


class Runner:
    """What renders a tree."""

    def __init__(self, workshop: Workshop | None) -> None:
        self._workshop = workshop
        self._limits = BuildLimits()

    async def run(self, tree: BuildTree) -> str:
        """The rendered YAML. Raises `OperationError` as the controller's does, `NotRecorded` without a kustomize."""
        return self._run(tree)

    def _run(self, tree: BuildTree) -> str:
        shop = self._workshop
        if shop is None:
            raise NotRecorded("there is no kustomize here: install kubectl or kustomize beside stagesetctl")
        private = str(Path(shop.folder) / str(next(_NUMBERS)))
        with shop.writing():
            Path(private).mkdir(mode=0o700)
            write(Path(private) / "tree", tree)
        process = _started(shop, private, tree)
        try:
            output, errors = self._said(process)
        except OperationError:
            # Nobody reads what it still writes, so it ends.
            process.wait()
            raise
        if process.wait() != 0:
            raise failed(errors, private, tree=tree, limits=self._limits)
        return output.decode("utf-8", "replace")

    def _said(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """What it says, capped while it is read. What is given up here is ended with this process."""
        assert process.stdout is not None
        assert process.stderr is not None
        output, errors = bytearray(), bytearray()
        with process.stdout, process.stderr, selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ, output)
            waiting.register(process.stderr, selectors.EVENT_READ, errors)
            while waiting.get_map():
                ready = waiting.select(self._limits.total_s)
                if not ready:
                    raise NotRecorded(f"what kustomize renders: it said nothing for {self._limits.total_s:g} s")
                for key, _ in ready:
                    chunk = os.read(key.fd, _READ_BYTES)
                    key.data.extend(chunk)
                    if not chunk:
                        waiting.unregister(key.fileobj)
                if len(output) > self._limits.output_bytes_max:
                    raise too_large(self._limits)
                del errors[self._limits.error_bytes_max :]
        return bytes(output), bytes(errors)


def _started(shop: Workshop, private: str, tree: BuildTree) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 (the program that the parent found, by path)
            [*shop.argv, str(Path(private) / "tree" / tree.directory)],
            stdin=shop.nothing,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=private,
            env=environment(private),
        )
    except OSError as error:
        raise NotRecorded(f"what kustomize renders: {shop.argv[0]} cannot be run ({error.strerror})") from error
