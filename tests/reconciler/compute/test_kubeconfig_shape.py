"""What is recorded of a kubeconfig: refused in the same words, and nothing of a credential in it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from reconciler.compute import kubeconfig
from reconciler.compute.kubeconfig_shape import shape
from reconciler.errors import OperationError

CANARY = "canary-7f3a-hunter2"
WHERE = 'Secret shop/prod, key "value"'
PEM = base64.b64encode(f"-----BEGIN KEY-----\n{CANARY}".encode()).decode()


def made(user: Any = None, cluster: Any = None, **top: Any) -> bytes:
    document = {
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://prod.example.com", **(cluster or {})}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": CANARY}}],
        **top,
    }
    return msgspec.json.encode(document)


BROKEN = {
    "exec": made({"exec": {"command": "aws", "env": [{"name": "A", "value": CANARY}]}}),
    "token with a blank": made({"token": f"{CANARY} {CANARY}"}),
    "token file": made({"tokenFile": f"/{CANARY}"}),
    "half a password": made({"username": CANARY}),
    "half a key": made({"client-key-data": PEM}),
    "no pem": made({"client-key-data": base64.b64encode(CANARY.encode()).decode(), "client-certificate-data": PEM}),
    "no base64": made({"client-key-data": f"{CANARY}!", "client-certificate-data": PEM}),
    "a number": made({"token": 7}),
    "no server": made(cluster={"server": ""}),
    "user info": made(cluster={"server": f"https://u:{CANARY}@prod.example.com"}),
    "a query": made(cluster={"server": f"https://prod.example.com?{CANARY}"}),
    "insecure and an authority": made(cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": PEM}),
    "no context": made(**{"current-context": "other"}),
    "no users": made(users={"u": CANARY}),
    "no user": made(users=[]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_refused_in_the_same_words(name: str) -> None:
    content = BROKEN[name]
    with pytest.raises(OperationError) as refused:
        kubeconfig.parse(content, where=WHERE)
    found = shape(content, where=WHERE)
    assert found is not None
    with pytest.raises(OperationError) as again:
        kubeconfig.parse(found, where=WHERE)
    assert again.value.message == refused.value.message
    assert CANARY not in found
    assert PEM not in found


def test_what_has_no_shape_is_not_given() -> None:
    for content in (b"a: [", b"- a", b"a: b\n---\nc: d\n", b"\xff", b"a" * 20_000):
        assert shape(content, where=WHERE) is None
