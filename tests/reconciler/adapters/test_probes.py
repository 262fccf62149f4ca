"""Probes: addresses, answers, and what is served where."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing

import aiohttp
import pytest

from reconciler.adapters import probes
from reconciler.adapters.probes import Address, CannotListen, Health, address, serving


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (":8080", Address("", 8080)),
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("localhost:65535", Address("localhost", 65535)),
        ("[::1]:8081", Address("::1", 8081)),
        ("0", None),
        ("", None),
    ],
)
def test_an_address(text, found):
    assert address(text) == found


@pytest.mark.parametrize("text", ["8080", ":", ":0", ":65536", ":http", "host:", "::1:8080", ":8080 ", ":\uff18\uff10"])
def test_what_is_no_address_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="is not an address: "):
        address(text)


def _port() -> int:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _health(*, healthy: str = "", ready: str = "", stuck: bool = False) -> Health:
    async def is_healthy() -> str:
        await asyncio.sleep(3600 if stuck else 0)
        return healthy

    return Health(healthy=is_healthy, ready=lambda: ready, metrics=lambda: b"m 1\n", metrics_type="text/plain")


def _asked(
    health: Health, ask: Callable[[aiohttp.ClientSession, str, str], Awaitable[None]], *, one: bool = False
) -> None:
    async def run() -> None:
        where = f"127.0.0.1:{_port()}"
        metrics = where if one else f"127.0.0.1:{_port()}"
        async with serving(health, probes=where, metrics=metrics), aiohttp.ClientSession() as session:
            await ask(session, f"http://{where}", f"http://{metrics}")

    asyncio.run(run())


@pytest.mark.parametrize("one", [False, True], ids=["two addresses", "one address"])
def test_all_is_well(one):
    async def ask(session: aiohttp.ClientSession, where: str, metrics: str) -> None:
        for path in ("/healthz", "/readyz"):
            async with session.get(where + path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        async with session.get(metrics + "/metrics") as answer:
            assert (answer.status, await answer.text(), answer.content_type) == (200, "m 1\n", "text/plain")
        if not one:
            async with session.get(where + "/metrics") as answer:
                assert answer.status == 404

    _asked(_health(), ask, one=one)


def test_a_problem_is_a_503_with_the_sentence():
    async def ask(session: aiohttp.ClientSession, where: str, _: str) -> None:
        for path, words in (("/healthz", "disk full\n"), ("/readyz", "not yet\n")):
            async with session.get(where + path) as answer:
                assert (answer.status, await answer.text()) == (503, words)

    _asked(_health(healthy="disk full", ready="not yet"), ask)


def test_a_check_that_hangs_is_a_problem(monkeypatch):
    monkeypatch.setattr(probes, "CHECK_S", 0.05)

    async def ask(session: aiohttp.ClientSession, where: str, _: str) -> None:
        async with session.get(where + "/healthz") as answer:
            assert answer.status == 503
            assert "has not answered" in await answer.text()

    _asked(_health(stuck=True), ask)


def test_off_serves_nothing():
    async def run() -> None:
        async with serving(_health(), probes="0", metrics="0"):
            pass

    asyncio.run(run())


def test_an_address_that_is_taken_is_told_with_its_flag():
    async def run() -> None:
        with closing(socket.socket()) as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            where = f"127.0.0.1:{held.getsockname()[1]}"
            with pytest.raises(CannotListen, match=f"cannot listen on {where}: .*--metrics-bind-address"):
                async with serving(_health(), probes=where, metrics="0"):
                    pass

    asyncio.run(run())
