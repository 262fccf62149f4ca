"""The resolver hands out checked addresses only."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from reconciler.adapters.requests.resolving import ForbiddenAddress, GuardedResolver
from reconciler.compute.urlguard import Guard


class Fixed(AbstractResolver):
    """Always the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses, self.closed = addresses, False

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        self.closed = True


def resolve(*addresses: str, allowed: str = "") -> list[str]:
    resolver = GuardedResolver(Fixed(*addresses), guard=Guard.of([allowed], flag="--f"))
    return [result["host"] for result in asyncio.run(resolver.resolve("name", 80))]


def test_permitted_addresses_pass() -> None:
    assert resolve("10.0.0.1", "fd00::1") == ["10.0.0.1", "fd00::1"]
    assert resolve("127.0.0.1", allowed="name:80") == ["127.0.0.1"]


@pytest.mark.parametrize(
    "bad", ["127.0.0.1", "::1", "fe80::1%eth0", "169.254.169.254", "224.0.0.1", "::ffff:127.0.0.1"]
)
def test_one_forbidden_address_refuses_the_name(bad: str) -> None:
    with pytest.raises(ForbiddenAddress, match="the host name leads to"):
        resolve("10.0.0.1", bad)


def test_an_answer_that_is_no_address() -> None:
    with pytest.raises(OSError, match="not an address"):
        resolve("name.example")


def test_close_reaches_the_inner_resolver() -> None:
    inner = Fixed()
    asyncio.run(GuardedResolver(inner, guard=Guard(flag="--f")).close())
    assert inner.closed
