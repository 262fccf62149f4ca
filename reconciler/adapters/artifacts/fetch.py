"""One guarded GET: redirects by hand, capped body, digest over the bytes as they were sent.

Not a retry loop: a failure is an outcome, the caller decides when to look again. Invariant: each hop is judged
before it is connected to, and nothing from the environment (proxies, netrc, cookies) takes part.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass

import aiohttp
from yarl import URL

from reconciler.adapters.fair import FairSlots
from reconciler.adapters.requests import guarded
from reconciler.adapters.requests.resolving import ForbiddenAddress
from reconciler.compute import fetching
from reconciler.compute.urlguard import Guard, Refusal

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchLimits:
    """Caps on one fetch, and on how many run at once (each may hold a whole body in memory)."""

    body_bytes_max: int = 64 * 1024 * 1024
    total_s: float = 300.0
    connect_s: float = 30.0
    redirects_max: int = 10
    concurrent_max: int = 4


class Fetcher:
    """Fetches artifacts with one connection pool. Must be closed by whoever made it (`async with` does)."""

    def __init__(
        self,
        guard: Guard,
        *,
        limits: FetchLimits | None = None,
        resolver: guarded.Resolver = aiohttp.ThreadedResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`resolver` makes the resolver to check, once the loop runs; `tls` replaces the system's trust anchors."""
        self._guard, self._limits = guard, limits or FetchLimits()
        self._resolver, self._tls = resolver, tls
        self._session: aiohttp.ClientSession | None = None
        self._slots = FairSlots(self._limits.concurrent_max)

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def fetch(self, url: str, digest: str) -> bytes:
        """The body behind the URL, if its digest is `sha256:<64 hex>` as given.

        Raises `OperationError`: `URLRefused`, `DigestInvalid`, `DigestMismatch`, `TooLarge` (not retryable: the
        same pin fails again), `Unreachable`, `BadStatus`, `Timeout` (retryable).
        """
        fetching.expected(digest, url)
        async with self._slots.turn():
            try:
                async with asyncio.timeout(self._limits.total_s):
                    body, found = await self._follow(url)
            except TimeoutError:
                raise fetching.slow(url, limit_s=self._limits.total_s) from None
        fetching.check(url, digest, found=found, size_bytes=len(body))
        return body

    async def _follow(self, url: str) -> tuple[bytes, str]:
        """The body and digest at the end of the redirects."""
        current = url
        for _ in range(self._limits.redirects_max + 1):
            location, body, digest = await self._request(current)
            if not location:
                return body, digest
            current = location
        raise fetching.redirects(url, redirects_max=self._limits.redirects_max)

    async def _request(self, url: str) -> tuple[str, bytes, str]:
        """One hop: where it redirects to, or the body and its digest."""
        target = self._checked(url)
        try:
            async with self._open().get(target, allow_redirects=False, ssl=self._tls or True) as response:
                if response.status in guarded.REDIRECTS and "Location" in response.headers:
                    return self._joined(target, response.headers["Location"]), b"", ""
                if response.status != 200:
                    raise fetching.bad_status(url, status=response.status, phrase=response.reason or "")
                return "", *await self._read(url, response)
        except ForbiddenAddress as forbidden:
            raise fetching.refused(url, forbidden.refusal, guard=self._guard) from None
        except (aiohttp.ClientError, OSError) as error:
            if guarded.is_limit(error):
                raise
            raise fetching.unreachable(url, cause=guarded.cause(error)) from None

    def _checked(self, url: str) -> URL:
        try:
            return guarded.checked(self._guard, url)
        except Refusal as refusal:
            raise fetching.refused(url, refusal, guard=self._guard) from None

    @staticmethod
    def _joined(base: URL, location: str) -> str:
        try:
            return guarded.joined(base, location)
        except Refusal as refusal:
            raise fetching.refused(str(base), refusal, guard=Guard(flag="")) from None

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> tuple[bytes, str]:
        cap = self._limits.body_bytes_max
        if (response.content_length or 0) > cap:
            raise fetching.oversized(url, response.content_length, cap=cap)
        chunks, size, whole = [], 0, hashlib.sha256()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > cap:
                raise fetching.oversized(url, None, cap=cap)
            whole.update(chunk)
            chunks.append(chunk)
        return b"".join(chunks), whole.hexdigest()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = guarded.session(self._guard, self._resolver, connect_s=self._limits.connect_s)
        return self._session
