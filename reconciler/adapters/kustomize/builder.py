"""Content-addressed builds: equal inputs are built once, whoever asks and however often.

Not the tool: it only decides whether to run it. Invariant: at any time at most one build runs per digest, and
`builds` counts the real ones.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from typing import Protocol

from reconciler.adapters.fair import FairSlots
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import OperationError


class Runner(Protocol):
    """What renders a tree."""

    async def run(self, tree: BuildTree) -> str:
        """The rendered YAML, or `OperationError`."""


class BuildStore(Protocol):
    """Where rendered text is kept beyond this process, such as the ledger's blobs."""

    async def get(self, digest: str) -> str | None:
        """The text for the digest of a build's inputs, None where there is none."""

    async def put(self, digest: str, text: str) -> None:
        """Keeps it."""


class _Flight:
    """A build that runs, and how many wait for it."""

    def __init__(self, task: asyncio.Task[str]) -> None:
        self.task = task
        self.waiting = 0


class Builder:
    """Builds trees through a runner, with recent results in memory and all of them in the store, if there is one."""

    def __init__(
        self, runner: Runner, *, store: BuildStore | None = None, cache_bytes_max: int = 16 * 1024 * 1024
    ) -> None:
        self._runner, self._store = runner, store
        self._flights: dict[str, _Flight] = {}
        self._recent = _Recent(cache_bytes_max)
        #: Failures that equal inputs must repeat, so that a retry does not run the tool to hear them again.
        self._failures: OrderedDict[str, OperationError] = OrderedDict()
        #: What keeps a processor busy around a build, in turns as well.
        self.threads = FairSlots(os.cpu_count() or 1)
        #: Times that the tool was run.
        self.builds = 0

    async def build(self, tree: BuildTree) -> str:
        """The rendered YAML of the tree. Raises what the runner raises; a permanent failure is remembered.

        Cancelling one of several who wait leaves the build running; cancelling the last one ends it.
        """
        known = self._recent.get(tree.digest)
        if known is not None:
            return known
        if failure := self._failures.get(tree.digest):
            raise _again(failure)
        flight = self._flights.get(tree.digest)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(self._build(tree)))
            self._flights[tree.digest] = flight
            flight.task.add_done_callback(lambda _: self._land(tree.digest, flight))
        return await self._wait(tree.digest, flight)

    async def _wait(self, digest: str, flight: _Flight) -> str:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except OperationError as failure:
            raise _again(failure) from None
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                # Nobody may join a build that is being ended.
                self._land(digest, flight)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    def _land(self, digest: str, flight: _Flight | None) -> None:
        if self._flights.get(digest) is flight:
            del self._flights[digest]

    async def _build(self, tree: BuildTree) -> str:
        text = await self._store.get(tree.digest) if self._store else None
        if text is None:
            text = await self._run(tree)
            if self._store:
                await self._store.put(tree.digest, text)
        self._recent.put(tree.digest, text)
        return text

    async def _run(self, tree: BuildTree) -> str:
        self.builds += 1
        try:
            return await self._runner.run(tree)
        except OperationError as failure:
            if not failure.retryable:
                self._remember(tree.digest, failure)
            raise

    def _remember(self, digest: str, failure: OperationError) -> None:
        self._failures[digest] = failure
        if len(self._failures) > 256:
            self._failures.popitem(last=False)


def _again(failure: OperationError) -> OperationError:
    """A fresh error: one that is raised in several tasks would gather all their tracebacks."""
    return OperationError(
        failure.message, reason=failure.reason, retryable=failure.retryable, evidence=failure.evidence
    )


class _Recent:
    """The texts used last, up to a number of bytes together."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._texts: OrderedDict[str, str] = OrderedDict()

    def get(self, digest: str) -> str | None:
        text = self._texts.get(digest)
        if text is not None:
            self._texts.move_to_end(digest)
        return text

    def put(self, digest: str, text: str) -> None:
        if len(text) > self._bytes_max:
            return
        self._bytes += len(text) - len(self._texts.pop(digest, ""))
        self._texts[digest] = text
        while self._bytes > self._bytes_max:
            _, dropped = self._texts.popitem(last=False)
            self._bytes -= len(dropped)
