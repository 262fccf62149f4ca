"""Equal inputs are built once: shared while they run, remembered after, kept in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from reconciler.adapters.kustomize import Builder
from reconciler.compute.kustomization import BuildTree
from reconciler.errors import OperationError


def tree(digest: str) -> BuildTree:
    return BuildTree(files={}, directory="", digest=digest)


class Runner:
    """Renders the digest once its gate is open, or fails."""

    def __init__(self, failure: OperationError | None = None) -> None:
        self.failure = failure
        self.gate, self.started = asyncio.Event(), asyncio.Event()
        self.runs: list[str] = []
        self.cancelled = 0
        self.ending, self.ends = asyncio.Event(), asyncio.Event()
        self.ends.set()

    async def run(self, tree: BuildTree) -> str:
        self.runs.append(tree.digest)
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.ending.set()
            await self.ends.wait()
            raise
        if self.failure:
            raise self.failure
        return f"rendered {tree.digest}"


class Store:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, digest: str) -> str | None:
        return self.kept.get(digest)

    async def put(self, digest: str, text: str) -> None:
        self.kept[digest] = text


def run(check: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await check()

    asyncio.run(main())


def test_concurrent_and_later_requests_share_one_build() -> None:
    async def check() -> None:
        runner = Runner()
        builder = Builder(runner)
        waiting = [asyncio.ensure_future(builder.build(tree(d))) for d in ("a", "a", "b", "a")]
        await runner.started.wait()
        runner.gate.set()
        assert await asyncio.gather(*waiting) == ["rendered a", "rendered a", "rendered b", "rendered a"]
        assert await builder.build(tree("a")) == "rendered a"
        assert (builder.builds, sorted(runner.runs)) == (2, ["a", "b"])

    run(check)


def test_cancelling_one_waiter_leaves_the_others() -> None:
    async def check() -> None:
        runner = Runner()
        builder = Builder(runner)
        first, second = (asyncio.ensure_future(builder.build(tree("a"))) for _ in range(2))
        await runner.started.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        runner.gate.set()
        assert await second == "rendered a"
        assert runner.cancelled == 0

    run(check)


def test_cancelling_the_last_waiter_ends_the_build_and_the_next_starts_anew() -> None:
    async def check() -> None:
        runner = Runner()
        builder = Builder(runner)
        only = asyncio.ensure_future(builder.build(tree("a")))
        await runner.started.wait()
        only.cancel()
        with pytest.raises(asyncio.CancelledError):
            await only
        assert runner.cancelled == 1
        runner.gate.set()
        assert await builder.build(tree("a")) == "rendered a"
        assert builder.builds == 2

    run(check)


def test_permanent_failures_are_remembered_and_others_are_not() -> None:
    async def check() -> None:
        for retryable, builds in ((False, 1), (True, 2)):
            runner = Runner(OperationError("bad", reason="BuildFailed", retryable=retryable, evidence={"a": 1}))
            runner.gate.set()
            builder = Builder(runner)
            errors = []
            for _ in range(2):
                with pytest.raises(OperationError, match="bad") as caught:
                    await builder.build(tree("a"))
                errors.append(caught.value)
            assert builder.builds == builds
            assert errors[0] is not errors[1]
            assert errors[1].evidence == {"a": 1}

    run(check)


def test_store_is_asked_first_and_given_what_was_built() -> None:
    async def check() -> None:
        runner, store = Runner(), Store()
        runner.gate.set()
        await Builder(runner, store=store).build(tree("a"))
        again = Builder(runner, store=store)
        assert await again.build(tree("a")) == "rendered a"
        assert again.builds == 0
        assert store.kept == {"a": "rendered a"}

    run(check)


def test_memory_is_bounded_and_keeps_what_was_used_last() -> None:
    async def check() -> None:
        runner = Runner()
        runner.gate.set()
        builder = Builder(runner, cache_bytes_max=2 * len("rendered a"))
        for digest in ("a", "b", "a", "c", "a"):
            await builder.build(tree(digest))
        assert runner.runs == ["a", "b", "c"]
        await builder.build(tree("b"))
        assert builder.builds == 4
        await Builder(runner, cache_bytes_max=3).build(tree("d"))

    run(check)


def test_nobody_joins_a_build_that_is_being_ended() -> None:
    async def check() -> None:
        runner = Runner()
        runner.ends.clear()
        builder = Builder(runner)
        first = asyncio.ensure_future(builder.build(tree("a")))
        await runner.started.wait()
        first.cancel()
        await runner.ending.wait()
        second = asyncio.ensure_future(builder.build(tree("a")))
        await asyncio.sleep(0)
        runner.ends.set()
        runner.gate.set()
        assert await second == "rendered a"
        with pytest.raises(asyncio.CancelledError):
            await first

    run(check)
