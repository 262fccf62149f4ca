"""One guarded GET: redirects by hand, capped body, digest over the bytes as they were sent.

Not a retry loop: a failure is an outcome, the caller decides when to look again. Invariant: each hop is judged
before it is connected to, and nothing from the environment (proxies, netrc, cookies) takes part.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import ssl
from dataclasses import dataclass

import aiohttp
from yarl import URL

from reconciler.adapters.requests import guarded
from reconciler.adapters.requests.resolving import ForbiddenAddress
from reconciler.compute.sizes import human_bytes
from reconciler.compute.urlguard import Guard, Refusal, display
from reconciler.errors import OperationError

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
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
        self._slots = asyncio.Semaphore(self._limits.concurrent_max)

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
        expected = _expected(digest, url)
        async with self._slots:
            try:
                async with asyncio.timeout(self._limits.total_s):
                    body, found = await self._follow(url)
            except TimeoutError:
                limit = f"{self._limits.total_s:g} s"
                message = f"{display(url)} was not fetched within {limit}: the server or the network is too slow"
                raise _failed("Timeout", message, url=url, retryable=True) from None
        if not hmac.compare_digest(found, expected):
            raise _mismatch(url, expected=expected, found=found, size=len(body))
        return body

    async def _follow(self, url: str) -> tuple[bytes, str]:
        """The body and digest at the end of the redirects."""
        current = url
        for _ in range(self._limits.redirects_max + 1):
            location, body, digest = await self._request(current)
            if not location:
                return body, digest
            current = location
        message = f"{display(url)} redirects more than {self._limits.redirects_max} times: check the source's URL"
        raise _failed("BadStatus", message, url=url, retryable=True)

    async def _request(self, url: str) -> tuple[str, bytes, str]:
        """One hop: where it redirects to, or the body and its digest."""
        target = self._checked(url)
        try:
            async with self._open().get(target, allow_redirects=False, ssl=self._tls or True) as response:
                if response.status in guarded.REDIRECTS and "Location" in response.headers:
                    return self._joined(target, response.headers["Location"]), b"", ""
                if response.status != 200:
                    raise _bad_status(url, response)
                return "", *await self._read(url, response)
        except ForbiddenAddress as refusal:
            raise _refused(url, str(refusal)) from None
        except (aiohttp.ClientError, OSError) as error:
            if guarded.is_limit(error):
                raise
            message = (
                f"{display(url)} cannot be fetched: {guarded.cause(error)}; check the server and the network between"
            )
            raise _failed("Unreachable", message, url=url, retryable=True) from None

    def _checked(self, url: str) -> URL:
        try:
            return guarded.checked(self._guard, url)
        except Refusal as refusal:
            raise _refused(url, str(refusal)) from None

    @staticmethod
    def _joined(base: URL, location: str) -> str:
        try:
            return guarded.joined(base, location)
        except Refusal as refusal:
            raise _refused(str(base), str(refusal)) from None

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> tuple[bytes, str]:
        cap = self._limits.body_bytes_max
        if (response.content_length or 0) > cap:
            raise _oversized(url, f"{human_bytes(response.content_length or 0)}", cap)
        chunks, size, whole = [], 0, hashlib.sha256()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > cap:
                raise _oversized(url, f"more than {human_bytes(cap)}", cap)
            whole.update(chunk)
            chunks.append(chunk)
        return b"".join(chunks), whole.hexdigest()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = guarded.session(self._guard, self._resolver, connect_s=self._limits.connect_s)
        return self._session


def _expected(digest: str, url: str) -> str:
    match = _DIGEST.fullmatch(digest.strip().lower())
    if match:
        return match[1]
    shown = digest[:100]
    message = (
        f"the digest {shown!r} of {display(url)} is not sha256:<64 hex digits>: check the source's status.artifact"
    )
    raise _failed("DigestInvalid", message, url=url, retryable=False)


def _mismatch(url: str, *, expected: str, found: str, size: int) -> OperationError:
    message = (
        f"{display(url)} ({human_bytes(size)}) has the digest sha256:{found}, not the pinned sha256:{expected}: "
        "the server has other content than the source's status says; reconcile the source"
    )
    return _failed("DigestMismatch", message, url=url, retryable=False)


def _oversized(url: str, size: str, cap: int) -> OperationError:
    message = f"{display(url)} has {size}, and artifacts may have {human_bytes(cap)}: exclude files at the source"
    return _failed("TooLarge", message, url=url, retryable=False)


def _bad_status(url: str, response: aiohttp.ClientResponse) -> OperationError:
    reason = re.sub(r"[^ -~]", "", response.reason or "")[:60]
    answer = f"{response.status} {reason}".strip()
    message = f"{display(url)} answered {answer}, and only 200 is taken: check the source object and its controller"
    error = _failed("BadStatus", message, url=url, retryable=True)
    error.evidence["status"] = response.status
    return error


def _refused(url: str, message: str) -> OperationError:
    return _failed("URLRefused", message, url=url, retryable=False)


def _failed(reason: str, message: str, *, url: str, retryable: bool) -> OperationError:
    return OperationError(message, reason=reason, retryable=retryable, evidence={"url": display(url)})
