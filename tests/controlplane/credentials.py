"""Who may speak to the API server: users with static tokens, the key that signs ServiceAccount tokens, and kubeconfigs.

Needs nothing but Python: no openssl, no Go. The API server makes its own certificate when it starts. Everything is
drawn anew for every control plane and lives in its directory.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

#: RFC 5915 ECPrivateKey, version 1: a number of 32 bytes, then the curve's name, P-256. Any number from 1 to the
#: curve's order (a little under 2^256) is a key; the public half is optional in the format, and Go computes it.
_EC_HEAD = bytes.fromhex("30310201010420")
_EC_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")


@dataclass(frozen=True, kw_only=True)
class User:
    """A static token of the API server (`--token-auth-file`), with the name and group that RBAC sees."""

    name: str
    group: str
    token: str


def new_user(name: str, *, group: str) -> User:
    """A user with a fresh token."""
    return User(name=name, group=group, token=secrets.token_urlsafe(24))


def write_token_file(path: Path, *, users: list[User]) -> None:
    """Write the API server's static token file: token, name, uid, groups."""
    lines = [f'{user.token},{user.name},{user.name},"{user.group}"\n' for user in users]
    path.touch(mode=0o600)
    path.write_text("".join(lines), encoding="ascii")


def write_signing_key(path: Path) -> None:
    """Write a fresh P-256 private key in PEM; the API server and the controller manager read both halves from it."""
    der = _EC_HEAD + (secrets.randbelow(2**255) + 1).to_bytes(32, "big") + _EC_TAIL
    path.touch(mode=0o600)
    path.write_text(
        f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END EC PRIVATE KEY-----\n",
        encoding="ascii",
    )


def write_kubeconfig(path: Path, *, url: str, authority: bytes, user: User) -> None:
    """Write a kubeconfig (as JSON, which is YAML) that refers to no other file, so that it can be put into a Secret."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "default",
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": user.name, "namespace": "default"}}],
        "clusters": [
            {
                "name": "default",
                "cluster": {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()},
            }
        ],
        "users": [{"name": user.name, "user": {"token": user.token}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
