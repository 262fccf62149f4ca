"""Connections to one API server: TLS, keep-alive and size limits, on `kubernetes.aio`'s rest layer.

Not an API client: it knows no objects. Invariants: no redirect is followed, no cookie kept, no proxy taken from the
environment; a pool without a client certificate serves identities that must prove themselves by token alone.
"""

from __future__ import annotations

import asyncio
import copy
import socket
from typing import Any

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from reconciler.adapters.requests.resolving import GuardedResolver
from reconciler.compute.urlguard import Guard

#: Below the 90 s after which kube-apiserver closes an idle connection.
KEEP_ALIVE_S = 60.0
#: Flow control of one connection; also the most that a watch nobody reads from keeps in memory.
READ_BUFFER_BYTES = 128 * 1024


class BodyTooLarge(Exception):
    """A response is longer than the limit that was given."""


class Pool(RESTClientObject):
    """The rest layer with TCP keep-alive and without limits of its own: the server's semaphore is the limit.

    With a guard, every address that a name leads to is judged in the same breath as it is dialled.
    """

    def __init__(self, configuration: Configuration, *, guard: Guard | None = None) -> None:
        super().__init__(configuration)
        self._guard = guard

    def session(self) -> aiohttp.ClientSession:
        """The shared session; made at the first use, because it belongs to the running event loop."""
        if self.pool_manager is None:
            self.configuration.client_session_kwargs = {
                # As shipped it looks for proxies in the environment, in a thread, on each request.
                "trust_env": False,
                "cookie_jar": aiohttp.DummyCookieJar(),
                "read_bufsize": READ_BUFFER_BYTES,
                "headers": {"User-Agent": "stageset-controller", "Accept-Encoding": "identity"},
            }
            self.pool_manager = self._create_pool_manager()
        return self.pool_manager

    def request_options(self) -> dict[str, Any]:
        """Options that every request on this session needs."""
        options: dict[str, Any] = {"allow_redirects": False}
        if self.configuration.tls_server_name:
            options["server_hostname"] = self.configuration.tls_server_name
        if self.proxy:
            options["proxy"] = self.proxy
        return options

    def _create_connector(self) -> aiohttp.TCPConnector:
        resolving: dict[str, Any] = {}
        if self._guard is not None:
            resolver = GuardedResolver(aiohttp.DefaultResolver(), guard=self._guard)
            resolving = {"resolver": resolver, "use_dns_cache": False}
        return aiohttp.TCPConnector(
            ssl=self.ssl_context, limit=0, keepalive_timeout=KEEP_ALIVE_S, socket_factory=_kept_alive, **resolving
        )


def without_client_certificate(configuration: Configuration) -> Configuration:
    """The same server and authorities, with nothing that proves who asks.

    An API server accepts the first credential that it understands, and looks at the certificate of the connection
    before the token in the header (kube-apiserver's union of authenticators): on a connection with an
    administrator's certificate, a tenant's token would act as the administrator.
    """
    bare = copy.deepcopy(configuration)
    bare.cert_file = bare.key_file = None
    bare.api_key = {}
    bare.refresh_api_key_hook = None
    return bare


async def read_body(response: aiohttp.ClientResponse, *, bytes_max: int) -> bytes:
    """The whole body. Raises `BodyTooLarge` as soon as it is known to be longer than `bytes_max`."""
    announced = response.content_length
    if announced is not None and not response.headers.get("Content-Encoding"):
        if announced > bytes_max:
            raise BodyTooLarge
        return await response.read()
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > bytes_max:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def is_dropped(error: BaseException) -> bool:
    """Did the peer close a connection that stood (a keep-alive that had gone stale), rather than refuse a new one?"""
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError | asyncio.TimeoutError
    )


def _kept_alive(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices within a minute that its peer is gone: a silent watch is else believed for minutes."""
    family, kind, protocol, _, _ = address
    sock = socket.socket(family=family, type=kind, proto=protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return sock
