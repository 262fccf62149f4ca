"""The real kustomize, one process at a time, in the folder that the isolation left open for it.

Not the guards: they let this one program through, in this one folder. Invariant: it gets the environment, the tree and
the limits that the controller gives it, so that it says the same words.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from reconciler.adapters.kustomize import BuildLimits
from reconciler.adapters.kustomize.process import environment, failed, too_large, write
from reconciler.compute.kustomization import BuildTree
from replay.performing.recorded import NotRecorded

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
        try:
            done = subprocess.run(  # noqa: S603 (the program that the parent found, by path)
                [*shop.argv, str(Path(private) / "tree" / tree.directory)],
                stdin=shop.nothing,
                capture_output=True,
                cwd=private,
                env=environment(private),
                check=False,
            )
        except OSError as error:
            raise NotRecorded(f"{shop.argv[0]} cannot be run: {error.strerror}") from error
        if len(done.stdout) > self._limits.output_bytes_max:
            raise too_large(self._limits)
        if done.returncode != 0:
            raise failed(done.stderr[: self._limits.error_bytes_max], private, tree=tree, limits=self._limits)
        return done.stdout.decode("utf-8", "replace")
