"""The HTTP face for kubelet and Prometheus: `/healthz`, `/readyz` and `/metrics` on their two addresses.

Not metrics (it is given the text) and not decisions about health (it is given the answers). Plain HTTP without
credentials: what it serves says nothing secret and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from reconciler.errors import ReconcilerError

#: Words of an address that is not served.
OFF = ("0", "")
#: A check that takes longer than this many seconds counts as failed.
CHECK_S = 5.0


class Address(NamedTuple):
    """Where to listen. An empty host: everywhere."""

    host: str
    port: int


class CannotListen(ReconcilerError):
    """An address cannot be bound: another program has it, or it is not of this machine."""


class Health(NamedTuple):
    """Answers to probes: a sentence why not, or an empty text. `metrics` gives the text for Prometheus."""

    healthy: Callable[[], Awaitable[str]]
    ready: Callable[[], str]
    #: run in a thread
    metrics: Callable[[], bytes]
    metrics_type: str


def address(text: str) -> Address | None:
    """Read `:8080`, `127.0.0.1:8080` or `[::1]:8080`; `None` for `0`, which turns it off. Raises `ValueError`."""
    if text in OFF:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r} is not an address: write host:port or :port with a port from 1 to 65535, or 0")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ValueError(f"{text!r} is not an address: an IPv6 address stands in brackets, as in [::1]:{port}")
    return Address(host[1:-1] if bracketed else host, int(port))


@asynccontextmanager
async def serving(health: Health, *, probes: str, metrics: str) -> AsyncIterator[None]:
    """Serve on the two addresses until left. Raises `CannotListen`, `ValueError`."""
    faces = {probes: _probes(health)}
    if metrics not in faces:
        faces[metrics] = web.Application()
    faces[metrics].router.add_get("/metrics", _metrics(health))
    async with AsyncExitStack() as stack:
        for text, application in faces.items():
            where = address(text)
            if where is not None:
                await _listen(stack, application, where)
        yield


async def _listen(stack: AsyncExitStack, application: web.Application, where: Address) -> None:
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, where.host or None, where.port).start()
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {where.host}:{where.port}: {error.strerror or error}; "
            "choose another --metrics-bind-address or --health-probe-bind-address, or 0 for none"
        ) from error


def _probes(health: Health) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(CHECK_S):
                return _answer(await health.healthy())
        except TimeoutError:
            return _answer(f"the ledger's writer has not answered within {CHECK_S:.0f} s")

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.ready())

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    return application


def _metrics(health: Health) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(health.metrics)
        return web.Response(body=body, headers={"Content-Type": health.metrics_type})

    return metrics


def _answer(problem: str) -> web.Response:
    """200 `ok`, or 503 with the sentence, as kubelet shows it in an Event."""
    return web.Response(text=f"{problem}\n", status=503) if problem else web.Response(text="ok\n")
