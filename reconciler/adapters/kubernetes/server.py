"""One API server: requests and streams on shared connections, as whatever identity is given.

Not an API client: it knows paths and bytes, no objects. Invariants: no more requests than the limit are in flight; an
answer outside 2xx is a `ClusterError`; a 429 or 503 is raised, never slept through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio.client import Configuration
from yarl import URL

from reconciler.adapters.fair import FairSlots
from reconciler.adapters.kubernetes import failures
from reconciler.adapters.kubernetes.failures import UNANSWERED, Asked
from reconciler.adapters.kubernetes.identity import Identity, masked
from reconciler.adapters.kubernetes.limits import Limits
from reconciler.adapters.kubernetes.pool import BodyTooLarge, Pool, is_dropped, read_body, without_client_certificate
from reconciler.adapters.kubernetes.scrub import secrets_of_body
from reconciler.compute.urlguard import Guard
from reconciler.errors import Unavailable

JSON = "application/json"


class TooLarge(Unavailable):
    """The answer is longer than the limit; a smaller page may fit."""


class Call(NamedTuple):
    """One request. `what` is for sentences: `PATCH Deployment shop/web`."""

    method: str
    #: Path and query, encoded.
    path: str
    what: str
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    #: May be sent again at once when a kept-alive connection breaks; GET, PUT and DELETE always are (RFC 9110, 9.2.2).
    repeatable: bool = False
    #: The body holds values of a Secret: they are masked in errors.
    sensitive: bool = False
    bytes_max: int = 0


class _Answer(NamedTuple):
    code: int
    body: bytes
    retry_after: str


class Server:
    """Shared by all identities on one API server; close it once, last.

    `guard` judges the addresses of a server that a tenant chose; what it answers is then not quoted either, unless it
    is a Kubernetes Status: else a tenant would read what only the controller can reach.
    """

    def __init__(self, configuration: Configuration, *, limits: Limits, guard: Guard | None = None) -> None:
        self.limits = limits
        self._quoting = guard is None
        self._base = configuration.host.rstrip("/")
        self.name = str(URL(self._base).origin())
        self._pool = Pool(configuration, guard=guard)
        certified = bool(configuration.cert_file)
        self._bare_pool = Pool(without_client_certificate(configuration), guard=guard) if certified else self._pool
        self._slots = FairSlots(limits.concurrent_max)
        self._timeout = aiohttp.ClientTimeout(total=limits.request_s, sock_connect=limits.connect_s)
        self._streams: set[aiohttp.ClientResponse] = set()
        self.closed = False

    async def send(self, call: Call, *, identity: Identity, bare: bool) -> bytes:
        """The body of a 2xx answer. `bare` takes the connections without a client certificate.

        Raises `ClusterError` for everything else. A 401 asks the identity for a new credential, once.
        """
        headers = await identity.headers()
        answer = await self._exchange(call, headers, identity=identity, bare=bare)
        if answer.code == 401:
            identity.refused(headers)
            renewed = await identity.headers()
            if renewed != headers:
                headers = renewed
                answer = await self._exchange(call, headers, identity=identity, bare=bare)
        if 200 <= answer.code < 300:
            return answer.body
        asked = self.asked(call, identity=identity, headers=headers)
        raise failures.from_answer(asked, code=answer.code, body=answer.body, retry_after=answer.retry_after)

    @asynccontextmanager
    async def stream(
        self, call: Call, *, identity: Identity, bare: bool, total_s: float
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Asked]]:
        """A 2xx answer whose body is still to be read, within `total_s` seconds, and what an error in it may say.

        Raises `ClusterError`.
        """
        headers = await identity.headers()
        for attempt in (1, 2):
            async with self._open(call, headers, bare=bare, total_s=total_s) as response:
                if 200 <= response.status < 300:
                    self._streams.add(response)
                    try:
                        yield response, self.asked(call, identity=identity, headers=headers)
                    finally:
                        self._streams.discard(response)
                    return
                body = await read_body(response, bytes_max=self.limits.response_bytes_max)
                retry_after = response.headers.get("Retry-After", "")
            if response.status == 401 and attempt == 1:
                identity.refused(headers)
                renewed = await identity.headers()
                if renewed != headers:
                    headers = renewed
                    continue
            asked = self.asked(call, identity=identity, headers=headers)
            raise failures.from_answer(asked, code=response.status, body=body, retry_after=retry_after)

    def rest(self, seconds: float) -> None:
        """Hold back what the tenant at work asks for next: the server has no room for it (429). Others go on."""
        self._slots.rest(min(seconds, self.limits.rest_s_max))

    def asked(self, call: Call, *, identity: Identity, headers: dict[str, str] | None = None) -> Asked:
        """What an error about `call` may say."""
        secrets = masked(headers or {}) + (secrets_of_body(call.body) if call.sensitive else [])
        return Asked(self.name, call.what, identity.name, secrets=secrets, quoting=self._quoting)

    async def close(self) -> None:
        """Close all connections; streams end."""
        self.closed = True
        self._slots.close()
        for response in tuple(self._streams):
            # Closing the session alone leaves a reader waiting until its time-out.
            response.close()
        await self._pool.close()
        if self._bare_pool is not self._pool:
            await self._bare_pool.close()

    async def _exchange(self, call: Call, headers: dict[str, str], *, identity: Identity, bare: bool) -> _Answer:
        bytes_max = call.bytes_max or self.limits.response_bytes_max
        try:
            # Only the exchange holds a slot: refreshing a credential may itself need one.
            async with self._slots.turn():
                try:
                    return await self._once(call, headers, bare=bare, bytes_max=bytes_max)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if not (call.repeatable and is_dropped(error)):
                        raise
                    return await self._once(call, headers, bare=bare, bytes_max=bytes_max)
        except BodyTooLarge:
            raise TooLarge(
                f"{self.name} answered {call.what} with more than {bytes_max} bytes, which is the limit."
            ) from None
        except UNANSWERED as error:
            asked = Asked(server=self.name, what=call.what, who=identity.name)
            raise failures.from_transport(asked, error=error, timeout_s=self.limits.request_s) from None

    async def _once(self, call: Call, headers: dict[str, str], *, bare: bool, bytes_max: int) -> _Answer:
        async with self._request(call, headers, bare=bare, timeout=self._timeout) as response:
            body = await read_body(response, bytes_max=bytes_max)
            return _Answer(response.status, body, response.headers.get("Retry-After", ""))

    def _open(
        self, call: Call, headers: dict[str, str], *, bare: bool, total_s: float
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=self.limits.connect_s)
        return self._request(call, headers, bare=bare, timeout=timeout)

    def _request(
        self, call: Call, headers: dict[str, str], *, bare: bool, timeout: aiohttp.ClientTimeout
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self.closed:
            raise Unavailable(f"{self.name} was not asked to {call.what}: the connection is closed.")
        pool = self._bare_pool if bare else self._pool
        sent: dict[str, Any] = {**headers, "Accept": call.accept}
        if call.body is not None:
            sent["Content-Type"] = call.content_type
        url = URL(self._base + call.path, encoded=True)
        return pool.session().request(
            call.method, url, data=call.body, headers=sent, timeout=timeout, **pool.request_options()
        )
