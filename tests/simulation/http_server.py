"""A server that http actions call, and the client of a simulated controller: every request that arrives is logged."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple
from urllib.parse import urlsplit

from reconciler.adapters.requests import Call, CallError, Reply
from tests.simulation.checkers import Monitor
from tests.simulation.ports import Line

HOST = "hooks.example"
#: Longest time that a client waits, in seconds.
LIMIT_S = 30.0


class Received(NamedTuple):
    """A request that arrived."""

    at_s: float
    path: str
    method: str
    key: str
    status: int


class HttpServer:
    """Answers 200, after the failures that it was told."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        #: how many times a path is answered with 500 before it is answered well
        self.failures: Counter[str] = Counter()

    def receive(self, path: str, call: Call) -> int:
        headers = dict(call.headers)
        status = 200
        if self.failures[path] > 0:
            self.failures[path] -= 1
            status = 500
        key = headers.get("Idempotency-Key", "")
        self.requests.append(Received(asyncio.get_running_loop().time(), path, call.method, key, status))
        return status


class SimCaller:
    """The interface of `reconciler.adapters.requests.Caller`, on a line that can be cut at each step of a request."""

    def __init__(self, server: HttpServer, *, line: Line, monitor: Monitor) -> None:
        self._server, self._line, self._monitor = server, line, monitor

    async def call(self, call: Call, *, within_s: float) -> Reply:
        limit_s = min(within_s, LIMIT_S)
        sent = [False]
        try:
            async with asyncio.timeout(limit_s):
                return await self._call(call, sent)
        except TimeoutError:
            message = f"{HOST} was not done within {limit_s:.3g} s: the server or the network is too slow"
            raise CallError(message, reason="Timeout", retryable=True, doubtful=sent[0]) from None

    async def _call(self, call: Call, sent: list[bool]) -> Reply:
        line, path = self._line, urlsplit(call.url).path
        await line.boundary("before http", path)
        await line.delay()
        chances = line.chances
        if line.lost or line.happens(chances.unavailable):
            raise _broken("no connection", doubtful=False)
        sent[0] = True
        key = dict(call.headers).get("Idempotency-Key", "")
        self._monitor.sends(path.strip("/"), call.method, key, line.number)
        status = self._server.receive(path, call)
        await line.boundary("after http", path)
        await line.delay()
        if line.lost or line.happens(chances.lost):
            raise _broken("the connection broke before the whole answer had arrived", doubtful=True)
        return Reply(HOST, status, "text/plain", "")

    async def close(self) -> None:
        pass


def _broken(what: str, *, doubtful: bool) -> CallError:
    return CallError(f"{what}: check {HOST}", reason="Unreachable", retryable=True, doubtful=doubtful)
