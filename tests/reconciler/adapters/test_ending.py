"""The first reason counts, effects are halted before anything else, and what waits for its turn ends at once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from reconciler.adapters.ending import DISPOSSESSED, ON_REQUEST, Ended, Ending


def test_the_first_reason_counts_and_every_one_halts(caplog):
    caplog.set_level(logging.INFO)

    async def main() -> None:
        ending, halted = Ending(), []
        ending.halting(lambda: halted.append(ending.code))
        ending.check()
        ending.ask(DISPOSSESSED, "the Lease was lost")
        assert halted == [None], "before anything else"
        ending.ask(ON_REQUEST, "SIGTERM received")
        assert len(halted) == 2
        assert await ending.wait() == DISPOSSESSED
        with pytest.raises(Ended):
            ending.check()

    asyncio.run(main())
    assert caplog.messages == ["ending with 3: the Lease was lost"]


def test_what_waits_is_cancelled():
    async def main() -> None:
        ending, cancelled = Ending(), []

        async def waits() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        asyncio.get_running_loop().call_soon(ending.ask, ON_REQUEST, "SIGTERM received")
        with pytest.raises(Ended):
            await ending.before_end(waits())
        assert cancelled == [True]

    asyncio.run(main())


def test_what_is_done_is_given_even_when_the_end_was_asked_for():
    async def main() -> None:
        ending = Ending()

        async def opens() -> str:
            ending.ask(ON_REQUEST, "SIGTERM received")
            return "an open file"

        assert await ending.before_end(opens()) == "an open file"

    asyncio.run(main())


def test_what_fails_fails():
    async def main() -> None:
        async def fails() -> None:
            raise OSError("no")

        with pytest.raises(OSError, match="no"):
            await Ending().before_end(fails())

    asyncio.run(main())
