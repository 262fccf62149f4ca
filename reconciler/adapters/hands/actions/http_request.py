"""What an http action sends: the URL, the headers and the body, with the Secrets' values read as the stage's identity.

Not the sending. Invariant: an error names the Secret and the key, never the value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.operations.failures import failure_of
from reconciler.api.types.references import SecretKeyReference
from reconciler.compute.echoes import scrubber
from reconciler.compute.fields import strings
from reconciler.errors import Forbidden, NotFound, OperationError
from reconciler.ports.cluster import Ref
from reconciler.ports.requests import Call

KEY_HEADER = "Idempotency-Key"

#: RFC 9110 §5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: RFC 9110 §5.5: no control characters but the tabulator.
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: They say how the message is framed and where the connection goes: the client sets them by itself.
_OF_THE_CONNECTION = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


class _Value(NamedTuple):
    """One key of a Secret."""

    #: field of the action that asks for it
    field: str
    secret: str
    key: str
    raw: bytes

    def problem(self, what: str) -> OperationError:
        message = f"{self.field}: the key {self.key} of Secret {self.secret} {what}"
        return OperationError(message, reason="HeaderInvalid", retryable=False)


async def call_of(acting: Acting) -> Call:
    """The call of an http action. Raises `OperationError` and `ClusterError` leaves; nothing was sent then."""
    http = acting.action.http
    assert http is not None, "an http action has http"
    from_secret = [await _read(acting, reference, field="http.headersFrom") for reference in http.headers_from]
    headers = {KEY_HEADER.lower(): (KEY_HEADER, acting.key)}
    headers |= {value.key.lower(): _header(value) for value in from_secret}
    secrets, body = [value.raw for value in from_secret], http.body.encode()
    if http.body_from is not None:
        body = (await _read(acting, http.body_from, field="http.bodyFrom")).raw
        secrets.append(body)
    url, user = _without_user(http.url)
    if user:
        # As a browser does, and as Go's client does: a header that the user gives wins.
        basic = f"Basic {base64.b64encode(user).decode()}"
        headers.setdefault("authorization", ("Authorization", basic))
        secrets += [basic.encode(), user]
    return Call(
        method=http.method or "POST",
        url=url,
        headers=tuple(headers.values()),
        body=body,
        confined=bool(secrets),
        scrub=scrubber(secrets),
        final=frozenset(http.expected_status),
    )


async def _read(acting: Acting, reference: SecretKeyReference, *, field: str) -> _Value:
    namespace = acting.target.namespace
    secret = f"{namespace}/{reference.name}"
    ref = Ref("v1", "Secret", namespace, reference.name)
    try:
        found = await acting.hand.cluster.get(ref)
    except NotFound:
        message = f"{field}: Secret {secret} does not exist: create it beside the StageSet"
        raise OperationError(message, reason="SecretNotFound", retryable=True) from None
    except Forbidden as error:
        raise Forbidden(f"{field}: {failure_of(error, ref=ref).words()}", status=error.status) from None
    data = strings(found, "data")
    if not reference.key:
        message = f"{field}: no key of Secret {secret} is named: set {field}.key ({_known(data)})"
        raise OperationError(message, reason="SecretNotFound", retryable=False)
    if reference.key not in data:
        message = f"{field}: Secret {secret} has no key {reference.key} ({_known(data)}): add it, or correct the key"
        raise OperationError(message, reason="SecretNotFound", retryable=True)
    try:
        raw = base64.b64decode(data[reference.key], validate=True)
    except (binascii.Error, ValueError):
        message = f"{field}: the key {reference.key} of Secret {secret} is not base64: write the Secret again"
        raise OperationError(message, reason="SecretInvalid", retryable=False) from None
    return _Value(field, secret, reference.key, raw)


def _known(keys: Iterable[str]) -> str:
    """The keys that there are; a Secret's keys are no secret."""
    names = sorted(keys)
    listed = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"it has {listed}" if names else "it has no keys"


def _header(value: _Value) -> tuple[str, str]:
    if not _TOKEN.fullmatch(value.key):
        raise value.problem("is not a header name, which it must be: rename it")
    name = value.key.lower()
    if name in _OF_THE_CONNECTION or name.startswith("proxy-"):
        raise value.problem(
            "is a header that belongs to the connection, which the controller sets by itself: remove it"
        )
    try:
        text = value.raw.decode()
    except UnicodeDecodeError:
        raise value.problem("is not UTF-8 text, which a header must be: write it again, or encode it") from None
    if _NOT_IN_A_VALUE.search(text):
        raise value.problem(
            "holds a line break or another control character, which a header cannot hold: write it again without "
            "(often it is the newline at its end)"
        )
    return value.key, text


def _without_user(url: str) -> tuple[str, bytes]:
    """The URL without userinfo, and the userinfo (`user:password`) as it is meant. A broken URL stays as it is."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, b""
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, b""
    name, _, password = user.partition(":")
    return url.replace(f"{user}@{host}", host, 1), unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
