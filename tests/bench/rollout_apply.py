"""CPU of one apply request: the Cluster adapter against raw aiohttp and msgspec, on a server that only answers.

The same bytes go over the wire both ways, and the answers are compared before anything is timed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from reconciler.adapters.kubernetes import KubernetesCluster
from tests.bench.row import Named, Row, row
from tests.reconciler.adapters.kubernetes.scripted import DEPLOYMENTS, client

_ROUNDS = 9
_TIMES = 1_000
NAMED = Named(
    name="one apply request, CPU",
    unit="µs",
    against="raw aiohttp and msgspec",
    target=1.6,
    bound="at most",
)
_PATH = "/apis/apps/v1/namespaces/shop/deployments/web?fieldManager=stageset-controller&force=true"
_SERVER = """
import asyncio, sys
BODY, DISCOVERY = (open(path, "rb").read() for path in sys.argv[1:])

class Answering(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.read = transport, b""

    def data_received(self, data):
        self.read += data
        while (end := self.read.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.read[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15:].split(b"\\r\\n", 1)[0]) if at >= 0 else 0
            if len(self.read) < end + 4 + length:
                return
            body = DISCOVERY if head.startswith(b"get /apis/apps/v1 ") else BODY
            self.read = self.read[end + 4 + length:]
            kind = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n"
            self.transport.write(kind + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)

async def main():
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def applying(folder: Path) -> list[Row]:
    """The row."""
    (folder / "body.json").write_text(json.dumps(_deployment()))
    (folder / "discovery.json").write_text(json.dumps(DEPLOYMENTS))
    command = [sys.executable, "-c", _SERVER, str(folder / "body.json"), str(folder / "discovery.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            rounds = asyncio.run(_measure(int(server.stdout.readline())))
        finally:
            server.kill()
    return [row(NAMED, *zip(*rounds, strict=True))]


async def _measure(port: int) -> list[tuple[float, float]]:
    cluster = client(port)
    try:
        async with aiohttp.ClientSession() as session:
            ours, raw = _ours(cluster), _raw(session, port)
            assert await raw() == await ours()
            return [(await _cpu_us(ours), await _cpu_us(raw)) for _ in range(_ROUNDS)]
    finally:
        await cluster.close()


def _ours(cluster: KubernetesCluster) -> Callable[[], Awaitable[Any]]:
    obj = _deployment()
    return lambda: cluster.apply(obj, manager="stageset-controller")


def _raw(session: aiohttp.ClientSession, port: int) -> Callable[[], Awaitable[Any]]:
    obj, encode, url = _deployment(), msgspec.json.Encoder().encode, f"http://127.0.0.1:{port}{_PATH}"
    headers = {"Authorization": "Bearer x", "Content-Type": "application/apply-patch+yaml"}

    async def send() -> Any:
        async with session.patch(url, data=encode(obj), headers=headers) as response:
            return msgspec.json.decode(await response.read())

    return send


async def _cpu_us(request: Callable[[], Awaitable[Any]]) -> float:
    begun = time.process_time()
    for _ in range(_TIMES):
        await request()
    return (time.process_time() - begun) * 1e6 / _TIMES


def _deployment() -> dict[str, Any]:
    environment = [{"name": f"E{number}", "value": "v" * 10} for number in range(6)]
    containers = [{"name": f"c{number}", "image": "x/y:1", "env": environment} for number in range(2)]
    labels = {f"l{number}": "v" * 20 for number in range(8)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": labels},
        "spec": {"replicas": 3, "template": {"spec": {"containers": containers}}},
    }
