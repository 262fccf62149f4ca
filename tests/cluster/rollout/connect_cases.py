"""Every way a StageSet with a kubeconfig fails to connect: how it is broken, what is shown, and the runbook's remedy.

Each case is a section of docs/runbooks/stagefailed.md, by its anchor; its commands heal it. The target is the control
plane itself, which is as remote as any other to whoever has only a kubeconfig.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.cluster.rollout.remote_shop import SECRET, kubeconfig_of, write_secret
from tests.cluster.rollout.shop import RULES, Shop, role


class Case(NamedTuple):
    """One cause of a section."""

    section: str
    cause: str
    words: str
    break_: Callable[[Shop], Any]

    @property
    def anchor(self) -> str:
        return f"connect-to-target-cluster-{self.section}"


def _document(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubeconfig_of(shop.plane, shop.namespace))
    return found


def _user(**fields: Any) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        document = _document(shop)
        document["users"][0]["user"] = fields
        write_secret(shop, json.dumps(document))

    return change


def _top(**fields: Any) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        write_secret(shop, json.dumps({**_document(shop), **fields}))

    return change


def _server(url: str) -> Callable[[Shop], None]:
    def change(shop: Shop) -> None:
        document = _document(shop)
        document["clusters"][0]["cluster"]["server"] = url.format(closed=shop.closed_host)
        write_secret(shop, json.dumps(document))

    return change


def _no_secret(shop: Shop) -> None:
    shop.kubectl("delete", "secret", SECRET)


def _no_secrets(shop: Shop) -> None:
    (rule,) = RULES
    shop.kubectl.apply(role([{**rule, "resources": [one for one in rule["resources"] if one != "secrets"]}]))


CASES = (
    Case("kubeconfigmissing", "no Secret", "does not exist: create it", _no_secret),
    Case("kubeconfigmissing", "no key", "has no key value", lambda s: write_secret(s, "x", key="kubeconfig")),
    Case("kubeconfiginvalid", "no YAML", "is not YAML (line 2, column 1)", lambda s: write_secret(s, "a: [b")),
    Case("kubeconfiginvalid", "no context", "current-context is missing", _top(**{"current-context": ""})),
    Case("kubeconfiginvalid", "a program", "user.exec runs a program, which is refused", _user(exec={"command": "id"})),
    Case("kubeconfiginvalid", "a plugin", "auth-provider needs a plugin", _user(**{"auth-provider": {"name": "gcp"}})),
    Case("kubeconfiginvalid", "a file", "read from the controller's disk", _user(tokenFile="/etc/passwd")),
    Case("kubeconfiginvalid", "metadata", "link-local, and refused by default", _server("https://169.254.169.254")),
    Case("forbidden", "no right", 'cannot get resource "secrets"', _no_secrets),
    Case("unauthorized", "no credential", "does not accept the credential of", _user(token="of-yesterday")),
    Case("unavailable", "nobody", "connection refused", _server("https://{closed}")),
)
