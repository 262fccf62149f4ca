"""Checks a kubeconfig that somebody else wrote and reduces it to what a connection needs.

Not a connection: nothing is opened, resolved or read from disk. Invariant: a kubeconfig that would run a program, read
a file of this machine or act as somebody else is refused, and no error text holds a credential of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

#: A kubeconfig of one cluster is a few KiB; a Secret holds at most 1 MiB.
KUBECONFIG_BYTES_MAX = 256 * 1024
#: `OperationError.reason` of every refusal made here.
REASON = "KubeconfigInvalid"

#: RFC 9110 section 5.5: what may stand in a header value; a bearer token has no blanks either.
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_USER_REFUSED = {
    "exec": "runs a program, which is refused; put a token or a client certificate into the kubeconfig",
    "auth-provider": "needs a plugin, which is refused; put a token or a client certificate into the kubeconfig",
    "tokenFile": "names a file, which would be read from the controller's disk; put the token itself into `token`",
    "client-certificate": "names a file, which would be read from the controller's disk; use `client-certificate-data`",
    "client-key": "names a file, which would be read from the controller's disk; use `client-key-data`",
    "as": "is not supported; set `serviceAccountName` in the StageSet to impersonate a ServiceAccount",
    "as-uid": "is not supported; remove it",
    "as-groups": "is not supported; remove it",
    "as-user-extra": "is not supported; remove it",
}
_CLUSTER_REFUSED = {
    "certificate-authority": (
        "names a file, which would be read from the controller's disk; use `certificate-authority-data`"
    ),
}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The one cluster and user that a kubeconfig's current context selects. Its `repr` shows no credential."""

    #: `http(s)://host[:port][/prefix]`, without a trailing slash.
    server: str
    context: str
    #: Namespace of the context, `default` when it names none.
    namespace: str = "default"
    #: Name to expect in the server's certificate; empty: the host of `server`.
    tls_server_name: str = ""
    insecure: bool = False
    proxy_url: str = ""
    #: PEM; empty: the system's authorities.
    ca_pem: bytes = b""
    cert_pem: bytes = b""
    key_pem: bytes = b""
    token: str = ""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Target(context={self.context!r})"


def parse(text: bytes | str, *, where: str) -> Target:
    """Check a kubeconfig's text; `where` names it in sentences (`Secret shop/prod, key "value"`).

    Raises `OperationError` with reason `KubeconfigInvalid` and one sentence for whatever is wrong with it.
    """
    if len(text) > KUBECONFIG_BYTES_MAX:
        raise _refusal(where, "", f"is {len(text)} bytes long, the limit is {KUBECONFIG_BYTES_MAX}")
    try:
        found = [document.value for document in documents(text if isinstance(text, str) else text.decode())]
    except UnicodeDecodeError:
        raise _refusal(where, "", "is not UTF-8 text") from None
    except YAMLProblem as problem:
        # Without the problem's own words: near a credential, a position says enough.
        at = f"line {problem.line}, column {problem.column}"
        raise _refusal(where, "", f"is not YAML ({at})") from None
    if len(found) != 1:
        raise _refusal(where, "", f"holds {len(found)} YAML documents, expected one")
    document = found[0]
    return check(document, where=where)


def check(document: Any, *, where: str) -> Target:
    """Check a parsed kubeconfig as `parse` does; only what its current context uses is looked at.

    Rules of selection from kubectl's kubeconfig format (`kubectl config view`, client-go `clientcmd`).
    """
    if not isinstance(document, Mapping):
        raise _refusal(where, "", "is not a kubeconfig: expected a mapping with clusters, contexts and users")
    context_name = _text(document, "current-context", where=where, at="")
    if not context_name:
        raise _refusal(where, "current-context", "is missing; set it to the name of the context to use")
    context, at = _entry(document, "contexts", "context", name=context_name, where=where)
    cluster_name = _text(context, "cluster", where=where, at=at)
    if not cluster_name:
        raise _refusal(where, f"{at}.cluster", "is missing; set it to the name of one of the clusters")
    cluster, cluster_at = _entry(document, "clusters", "cluster", name=cluster_name, where=where)
    user_name = _text(context, "user", where=where, at=at)
    user: Mapping[str, Any] = {}
    user_at = ""
    if user_name:
        user, user_at = _entry(document, "users", "user", name=user_name, where=where)
    return Target(
        context=context_name,
        namespace=_text(context, "namespace", where=where, at=at) or "default",
        **_cluster(cluster, where=where, at=cluster_at),
        **_user(user, where=where, at=user_at),
    )


def _cluster(cluster: Mapping[str, Any], *, where: str, at: str) -> dict[str, Any]:
    _refuse_present(cluster, _CLUSTER_REFUSED, where=where, at=at)
    insecure = cluster.get("insecure-skip-tls-verify", False)
    if not isinstance(insecure, bool):
        raise _refusal(where, f"{at}.insecure-skip-tls-verify", "must be true or false")
    ca_pem = _pem(cluster, "certificate-authority-data", where=where, at=at)
    if insecure and ca_pem:
        raise _refusal(
            where, f"{at}.insecure-skip-tls-verify", "contradicts certificate-authority-data; remove one of the two"
        )
    proxy_url = _text(cluster, "proxy-url", where=where, at=at)
    if proxy_url and not proxy_url.startswith(("http://", "https://")):
        raise _refusal(where, f"{at}.proxy-url", "must start with http:// or https://")
    return {
        "server": _server(cluster, where=where, at=at),
        "tls_server_name": _text(cluster, "tls-server-name", where=where, at=at),
        "insecure": insecure,
        "proxy_url": proxy_url,
        "ca_pem": ca_pem,
    }


def _server(cluster: Mapping[str, Any], *, where: str, at: str) -> str:
    field = f"{at}.server"
    server = _text(cluster, "server", where=where, at=at)
    if not server:
        raise _refusal(where, field, "is missing; set it to the URL of the API server")
    try:
        url = urlsplit(server)
        host, _ = url.hostname, url.port
    except ValueError:
        raise _refusal(where, field, "is not a URL") from None
    if url.scheme not in ("http", "https") or not host or not _HEADER_SAFE.fullmatch(server):
        raise _refusal(where, field, "is not an http:// or https:// URL with a host")
    if url.username is not None or url.query or url.fragment:
        raise _refusal(where, field, "must be a plain URL without user name, query or fragment")
    return server.rstrip("/")


def _user(user: Mapping[str, Any], *, where: str, at: str) -> dict[str, Any]:
    _refuse_present(user, _USER_REFUSED, where=where, at=at)
    token = _text(user, "token", where=where, at=at).strip()
    if token and not _HEADER_SAFE.fullmatch(token):
        raise _refusal(where, f"{at}.token", "holds characters that a bearer token cannot have")
    username = _text(user, "username", where=where, at=at)
    password = _text(user, "password", where=where, at=at)
    if bool(username) != bool(password):
        raise _refusal(where, at, "has only one of username and password; set both")
    cert_pem = _pem(user, "client-certificate-data", where=where, at=at)
    key_pem = _pem(user, "client-key-data", where=where, at=at)
    if bool(cert_pem) != bool(key_pem):
        raise _refusal(where, at, "has only one of client-certificate-data and client-key-data; set both")
    return {"token": token, "username": username, "password": password, "cert_pem": cert_pem, "key_pem": key_pem}


def _entry(
    document: Mapping[str, Any], listed: str, inner: str, *, name: str, where: str
) -> tuple[Mapping[str, Any], str]:
    """The `inner` mapping of the entry called `name`, and its position for sentences."""
    entries = document.get(listed)
    if not isinstance(entries, list):
        raise _refusal(where, listed, "is missing or not a list")
    for position, entry in enumerate(entries):
        if isinstance(entry, Mapping) and entry.get("name") == name:
            at = f"{listed}[{position}].{inner}"
            value = entry.get(inner)
            if not isinstance(value, Mapping):
                raise _refusal(where, at, "is missing or not a mapping")
            return value, at
    raise _refusal(where, listed, f"has no entry named {name[:100]!r}, which current-context leads to; add it")


def _refuse_present(values: Mapping[str, Any], refused: Mapping[str, str], *, where: str, at: str) -> None:
    for key, sentence in refused.items():
        if values.get(key):
            raise _refusal(where, f"{at}.{key}", sentence)


def _text(values: Mapping[str, Any], key: str, *, where: str, at: str) -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _refusal(where, f"{at}.{key}".lstrip("."), "must be a string; put it in quotes")
    return value


def _pem(values: Mapping[str, Any], key: str, *, where: str, at: str) -> bytes:
    text = _text(values, key, where=where, at=at)
    if not text:
        return b""
    try:
        pem = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refusal(where, f"{at}.{key}", "is not base64") from None
    if b"-----BEGIN " not in pem or not pem.isascii():
        raise _refusal(where, f"{at}.{key}", "is not PEM: it has no BEGIN line")
    return pem


def _refusal(where: str, field: str, sentence: str) -> OperationError:
    subject = f"the kubeconfig in {where}"
    # Nobody tells when the Secret changes, so it is looked at again.
    return OperationError(
        f"{subject}: {field} {sentence}." if field else f"{subject} {sentence}.", reason=REASON, retryable=True
    )
