"""Turns what came back from an API server, or did not, into the leaves of the error tree.

Not a policy: nothing is retried here. Invariant: the server's Status is kept verbatim, except that secrets of the
request are masked; a sentence of ours always names the server.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp
import msgspec

from reconciler.adapters.kubernetes.scrub import scrub
from reconciler.adapters.requests.resolving import ForbiddenAddress
from reconciler.errors import (
    AlreadyExists,
    BadRequest,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NoSuchKind,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unsupported,
)

#: A server that asks for a longer pause is asked again after this one.
RETRY_AFTER_S_MAX = 3600.0
_EXCERPT_CHARS = 200
_BY_CODE: dict[int, type[ClusterError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
    501: Unsupported,
}


#: What a request ends with that got no complete answer.
UNANSWERED = (aiohttp.ClientError, TimeoutError, OSError, ForbiddenAddress)


class Asked(NamedTuple):
    """What an error sentence says about the request."""

    #: `https://host:port`.
    server: str
    #: `PATCH Deployment shop/web`.
    what: str
    #: Who asked: the identity's name.
    who: str
    secrets: Sequence[str] = ()
    #: Whether an answer that is no Status may be repeated.
    quoting: bool = True


def from_answer(asked: Asked, *, code: int, body: bytes, retry_after: str = "") -> ClusterError:
    """The error for an answer with `code`: from the Status in its `body` or, without one (a proxy), an excerpt."""
    status = _status(body)
    if status is None:
        return _without_status(asked, code, body, retry_after=retry_after)
    return from_status(asked, status=scrub(status, asked.secrets), code=code, retry_after=retry_after)


def from_status(asked: Asked, *, status: Mapping[str, Any], code: int = 0, retry_after: str = "") -> ClusterError:
    """The error for a Status object, of an answer or of a watch's ERROR event. The Status is scrubbed already."""
    code = code or _integer(status.get("code"))
    message = str(status.get("message") or status.get("reason") or f"{asked.server} answered {code} to {asked.what}.")
    details = status.get("details")
    details = details if isinstance(details, Mapping) else {}
    pause = _seconds(retry_after) or float(max(0, _integer(details.get("retryAfterSeconds"))))
    leaf = _leaf(code, reason=str(status.get("reason") or ""), details=details)
    if leaf is Unauthorized:
        message = f"{asked.server} does not accept the credential of {asked.who} ({message})."
    return leaf(message, status=status, retry_after_s=min(pause, RETRY_AFTER_S_MAX))


def from_transport(asked: Asked, *, error: Exception, timeout_s: float) -> Unavailable:
    """The error for a request without an answer. The HTTP library's texts are not repeated: they may hold headers."""
    cause = _transport_cause(error, timeout_s)
    return Unavailable(f"{asked.server} could not be asked to {asked.what}: {cause}.")


def _transport_cause(error: Exception, timeout_s: float) -> str:
    match error:
        case ForbiddenAddress():
            return str(error)
        case aiohttp.ConnectionTimeoutError():
            return "no connection in time; check the address and the network policy"
        case TimeoutError():
            return f"no complete answer within {timeout_s:g} s"
        case aiohttp.ClientConnectorCertificateError():
            inner = error.certificate_error
            why = getattr(inner, "verify_message", "") or type(inner).__name__
            return f"its TLS certificate is not trusted ({why}); check the certificate authority and the server name"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed ({_ssl_reason(error.os_error)}); check the scheme, the port and the client certificate"
        case aiohttp.ClientConnectorDNSError():
            return "its host name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"connection refused or unreachable ({error.os_error.strerror or type(error.os_error).__name__})"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return "it closed the connection before the answer was complete, so whether it acted is not known"
    return f"{type(error).__name__}"


def _ssl_reason(error: object) -> str:
    return (error.reason if isinstance(error, ssl.SSLError) else "") or type(error).__name__


def _leaf(code: int, *, reason: str, details: Mapping[str, Any]) -> type[ClusterError]:
    if code == 404:
        # apimachinery: an object's 404 names it in `details`; an unknown path's does not.
        return NotFound if details.get("name") else NoSuchKind
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    return BadRequest if 400 <= code < 500 and code != 408 else Unavailable


def _without_status(asked: Asked, code: int, body: bytes, *, retry_after: str) -> ClusterError:
    text = scrub(body[: 8 * _EXCERPT_CHARS].decode("utf-8", "replace"), asked.secrets)
    excerpt = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_EXCERPT_CHARS]
    pause = min(_seconds(retry_after), RETRY_AFTER_S_MAX)
    said = f': "{excerpt}"' if excerpt else " and an empty body"
    if not asked.quoting:
        said = ", which is not how a Kubernetes API server answers"
    leaf = _leaf(code, reason="", details={})
    return leaf(f"{asked.server} answered {code} to {asked.what}{said}.", retry_after_s=pause)


def _status(body: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("kind") == "Status" else None


def _seconds(retry_after: str) -> float:
    """RFC 9110 section 10.2.3, the form in seconds; Kubernetes does not send the form with a date."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0
