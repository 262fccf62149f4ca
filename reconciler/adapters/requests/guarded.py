"""What every guarded request shares: a URL that is read in one way only, and a session that dials what was judged.

Not a client. Invariant: nothing from the environment (proxies, netrc) and nothing from earlier answers (cookies) takes
part in a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from reconciler.adapters.requests.resolving import GuardedResolver
from reconciler.compute.urlguard import Guard, Refusal, display

REDIRECTS = frozenset((301, 302, 303, 307, 308))
#: As the body arrives: a server that compresses on the way would change the bytes that are looked at.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "stageset-controller"}

#: Makes the resolver whose answers are checked, once the loop runs.
Resolver = Callable[[], AbstractResolver]


class Broken(aiohttp.ClientError):
    """A connection that broke under a request, in a form that the client library does not answer by sending again."""


def session(guard: Guard, resolver: Resolver, *, connect_s: float, **options: Any) -> aiohttp.ClientSession:
    """A session whose every connection goes to an address that the guard passed."""
    return aiohttp.ClientSession(
        # No cache of names: an address is checked in the same breath as it is dialled.
        connector=aiohttp.TCPConnector(
            resolver=GuardedResolver(resolver(), guard=guard),
            use_dns_cache=False,
            limit=0,
            force_close=options.pop("force_close", False),
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=HEADERS,
        auto_decompress=False,
        trust_env=False,
        **options,
    )


def checked(guard: Guard, url: str) -> URL:
    """The URL as the client will read it. Raises `Refusal` where the guard refuses or the two read it differently."""
    target = guard.check_url(url)
    try:
        # Other characters than ASCII are encoded, the rest is sent as it was written: it may be signed.
        parsed = URL(re.sub(r"[^\x00-\x7f]+", lambda match: quote(match[0], safe=""), url), encoded=True)
        host, port = (parsed.raw_host or "").rstrip(".").lower(), parsed.port
    except ValueError:
        raise Refusal(f"{display(url)} is not a URL: write http(s)://host[:port]/path") from None
    if host != target.host or port != target.port:
        raise Refusal(f"{display(url)} can be read in more than one way: write it plainly")
    return parsed


def joined(base: URL, location: str) -> str:
    """Where a redirect leads, absolute. Raises `Refusal` when it is not a URL."""
    # Bytes that are not UTF-8 arrive as lone surrogates, which no text of ours may hold.
    location = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(base.join(URL(location, encoded=True)))
    except ValueError:
        raise Refusal(f"{display(str(base))} redirects to something that is not a URL") from None


def is_limit(error: BaseException) -> bool:
    """Whether this is the time limit around a request, not one of the client library's own."""
    return isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)


def cause(error: BaseException) -> str:
    """The innermost reason in words; never the request with its URL or headers."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} does not resolve"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {error.host} is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}:{error.port} ({error.os_error.strerror or 'failed'})"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return "the connection was not made in time"
    if isinstance(error, Broken | aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError | ConnectionError):
        return "the connection broke before the whole answer had arrived"
    return "the server does not speak HTTP as it should"


async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Client middleware: a request is sent at most once.

    aiohttp sends GET, HEAD, PUT and DELETE a second time when a connection breaks, new or used
    (`ClientSession._request`, after RFC 9112 §9.3.1). A PUT or DELETE of a user must not be repeated unseen.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Broken(cause(error)) from error


def marking(mark: Callable[[Any], None]) -> aiohttp.TraceConfig:
    """A trace that calls `mark` with the `trace_request_ctx` just before the first byte of a request is written.

    aiohttp tells `on_request_headers_sent` before it hands the headers to the transport: what was not marked was not
    sent.
    """

    async def sent(_: aiohttp.ClientSession, context: Any, __: aiohttp.TraceRequestHeadersSentParams) -> None:
        mark(context.trace_request_ctx)

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(sent)
    return trace
