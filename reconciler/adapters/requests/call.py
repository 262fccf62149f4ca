"""The limits of one call, and the rules for following a redirect with it.

No I/O. Invariant: headers or a body that hold secrets are not shown to another host, nor sent in the clear after TLS.
"""

from __future__ import annotations

from typing import NamedTuple

from yarl import URL

from reconciler.compute.urlguard import Refusal

#: Headers that describe a body; they go when the body goes (WHATWG Fetch, "request-body-header name").
_OF_A_BODY = frozenset(("content-encoding", "content-language", "content-location", "content-type"))


class CallLimits(NamedTuple):
    """Caps on one call."""

    #: over all hops, from the first name looked up to the last byte read
    total_s: float = 30.0
    connect_s: float = 10.0
    redirects_max: int = 10
    #: of an answer; what is beyond is not read
    answer_bytes_max: int = 16 * 1024
    excerpt_bytes_max: int = 512


class Hop(NamedTuple):
    """One request of a call."""

    method: str
    url: URL
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: how many redirects led here
    number: int = 0

    @property
    def place(self) -> str:
        """The host, with the port where it is not the usual one."""
        return place(self.url)


def place(url: URL) -> str:
    """The host of a URL for messages, with the port where it is not the scheme's own."""
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"


def changes_method(method: str, status: int) -> bool:
    """Whether a redirect turns the request into a GET without body, as browsers do.

    WHATWG Fetch, "HTTP-redirect fetch", step 12: 301 and 302 for POST only, 303 for all but GET and HEAD; 307 and 308
    never.
    """
    return (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD"))


def next_hop(hop: Hop, status: int, *, url: URL, confined: bool) -> Hop:
    """The request that a redirect to `url` asks for. Raises `Refusal` where it would show secrets to somebody else."""
    if confined:
        _check_confined(hop.url, url)
    # Userinfo in a Location is the server's, not the user's.
    fresh = hop._replace(url=url.with_user(None), number=hop.number + 1)
    if not changes_method(hop.method, status):
        return fresh
    kept = tuple((name, value) for name, value in hop.headers if name.lower() not in _OF_A_BODY)
    return fresh._replace(method="GET", headers=kept, body=b"")


def _check_confined(here: URL, there: URL) -> None:
    if here.scheme == "https" and there.scheme == "http":
        raise Refusal(
            f"{place(here)} redirects from https to http on {place(there)}, and the request holds values of Secrets, "
            "which are not sent in the clear: name the URL at the end of the redirect"
        )
    upgraded = here.scheme != there.scheme and here.is_default_port() and there.is_default_port()
    if here.host != there.host or (here.port != there.port and not upgraded):
        raise Refusal(
            f"{place(here)} redirects to the other host {place(there)}, and the request holds values of Secrets, "
            "which are not sent to other hosts: name the URL at the end of the redirect"
        )
