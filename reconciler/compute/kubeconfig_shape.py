"""A kubeconfig without its credentials, in a form that is refused in the same words.

Not a check: `reconciler.compute.kubeconfig` is. Invariant: nothing of a credential is in a shape, and a shape that
would be judged otherwise than the kubeconfig is not given.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from reconciler.compute import kubeconfig
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

#: Larger ones are not recorded.
BYTES_MAX = 16 * 1024
_PEM = base64.b64encode(b"-----BEGIN WITHHELD-----\n").decode()
_NO_PEM = base64.b64encode(b"withheld").decode()
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_USERINFO = re.compile(r"//[^/@]*@")
#: Fields of an entry that say nothing secret: what leads from one to another.
_KEPT = frozenset({"name", "context", "cluster", "user", "namespace"})
_SERVER = frozenset({"server", "proxy-url", "tls-server-name"})


def shape(content: bytes, *, where: str) -> str | None:
    """The kubeconfig with stand-ins for everything that may be secret, as JSON; None where there is none."""
    if len(content) > BYTES_MAX:
        return None
    try:
        found = [document.value for document in documents(content.decode())]
    except (UnicodeDecodeError, YAMLProblem):
        return None
    if len(found) != 1 or not isinstance(found[0], dict):
        return None
    made = msgspec.json.encode(_document(found[0])).decode()
    return made if _said(made, where) == _said(content, where) else None


def _said(text: bytes | str, where: str) -> str:
    try:
        kubeconfig.parse(text, where=where)
    except OperationError as error:
        return error.message
    return ""


def _document(found: dict[str, Any]) -> dict[str, Any]:
    lists = {key: _entries(found.get(key), secret=key == "users") for key in ("clusters", "contexts", "users")}
    kept = {key: value for key, value in lists.items() if key in found}
    return kept | ({"current-context": found["current-context"]} if "current-context" in found else {})


def _entries(found: Any, *, secret: bool) -> Any:
    if not isinstance(found, list):
        return _opaque(found)
    return [_entry(one, secret=secret) if isinstance(one, dict) else _opaque(one) for one in found]


def _entry(found: dict[str, Any], *, secret: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in found.items():
        if key in ("cluster", "context", "user") and isinstance(value, dict):
            kept[str(key)] = {str(inner): _field(str(inner), leaf, secret=secret) for inner, leaf in value.items()}
        elif key in _KEPT:
            kept[str(key)] = value if isinstance(value, str) else _opaque(value)
    return kept


def _field(key: str, value: Any, *, secret: bool) -> Any:
    if not isinstance(value, str) or not value:
        return _opaque(value)
    if key.endswith("-data"):
        return _pem(value)
    if secret:
        usable = "withheld" if _HEADER_SAFE.fullmatch(value.strip()) else "with held"
        return usable if value.strip() else " "
    if key in _SERVER:
        return _USERINFO.sub("//withheld@", value.partition("?")[0] + ("?withheld" if "?" in value else ""))
    return value if key in _KEPT else "withheld"


def _pem(value: str) -> str:
    try:
        decoded = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return "*"
    return _PEM if b"-----BEGIN " in decoded and decoded.isascii() else _NO_PEM


def _opaque(value: Any) -> Any:
    """The kind of a value alone."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, dict):
        return {"withheld": True} if value else {}
    if isinstance(value, list):
        return ["withheld"] if value else []
    if isinstance(value, str):
        return "withheld" if value else ""
    return 1
