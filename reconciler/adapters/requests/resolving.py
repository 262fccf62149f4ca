"""Name resolution that hands out checked addresses only, so that what is dialled is what was judged.

Not a cache. Invariant: when any address of a name is refused, none is returned: a name with a public and a
forbidden address is an attack or a mistake (DNS rebinding), never a choice.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from reconciler.compute.urlguard import Guard, Refusal, parse_address


class ForbiddenAddress(Exception):
    """A name resolved to an address that the guard refuses. Not an OSError: aiohttp would take it for a DNS failure."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class GuardedResolver(AbstractResolver):
    """Asks `inner` and checks every address of the answer."""

    def __init__(self, inner: AbstractResolver, *, guard: Guard) -> None:
        self._inner, self._guard = inner, guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses, all of them checked. Raises `ForbiddenAddress`, or OSError when the name does not resolve."""
        try:
            results = await self._inner.resolve(host, port, family)
        except UnicodeError:
            # The system's resolver encodes names first: an empty label, or one of more than 63 characters.
            raise OSError(f"{host} is not a name that can be looked up") from None
        for result in results:
            address = parse_address(result["host"])
            if address is None:
                raise OSError(f"the resolver answered {host} with something that is not an address")
            try:
                self._guard.check_address(host, port, address)
            except Refusal as refusal:
                raise ForbiddenAddress(refusal) from None
        return results

    async def close(self) -> None:
        await self._inner.close()
