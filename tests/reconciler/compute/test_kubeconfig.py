"""A kubeconfig that somebody else wrote: every refusal is one sentence, and none repeats a credential."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import yaml

from reconciler.compute.kubeconfig import KUBECONFIG_BYTES_MAX, Target, check, parse
from reconciler.errors import OperationError

WHERE = 'Secret shop/prod, key "value"'
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()
GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "prod",
    "contexts": [
        {"name": "other", "context": {"cluster": "none", "user": "none"}},
        {"name": "prod", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
    ],
    "clusters": [{"name": "c", "cluster": {"server": "https://prod.example:6443/", "certificate-authority-data": PEM}}],
    "users": [
        {"name": "hostile but unused", "user": {"exec": {"command": "rm"}}},
        {"name": "u", "user": {"token": "s3cr3t-token"}},
    ],
}


def changed(section: str, index: int, inner: str, **fields: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    values = document[section][index][inner]
    for name, value in fields.items():
        values[name.replace("_", "-")] = value
    return document


def user(**fields: Any) -> dict[str, Any]:
    return changed("users", 1, "user", **fields)


def cluster(**fields: Any) -> dict[str, Any]:
    return changed("clusters", 0, "cluster", **fields)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def test_what_the_current_context_selects_is_all_that_is_looked_at() -> None:
    target = parse(yaml.safe_dump(GOOD), where=WHERE)
    assert target == Target(
        server="https://prod.example:6443",
        context="prod",
        namespace="team",
        token="s3cr3t-token",
        ca_pem=base64.b64decode(PEM),
    )


def test_a_certificate_or_a_password_serve_as_well_as_a_token() -> None:
    target = check(user(token=None, client_certificate_data=PEM, client_key_data=PEM), where=WHERE)
    assert target.cert_pem == target.key_pem == base64.b64decode(PEM)
    target = check(user(token=None, username="u", password="p"), where=WHERE)
    assert (target.username, target.password) == ("u", "p")


def test_base64_may_be_wrapped() -> None:
    wrapped = PEM[:20] + "\n  " + PEM[20:] + "\n"
    assert check(cluster(certificate_authority_data=wrapped), where=WHERE).ca_pem == base64.b64decode(PEM)


def test_its_repr_shows_no_credential() -> None:
    assert "s3cr3t" not in repr(check(GOOD, where=WHERE))
    assert "s3cr3t" not in f"{check(GOOD, where=WHERE)}"


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        (without("current-context"), "current-context", "is missing"),
        ({**GOOD, "current-context": "gone"}, "contexts", "no entry named 'gone'"),
        ({**GOOD, "current-context": "other"}, "clusters", "no entry named 'none'"),
        ({**GOOD, "current-context": 7}, "current-context", "must be a string"),
        (without("contexts"), "contexts", "missing or not a list"),
        (without("clusters"), "clusters", "missing or not a list"),
        ({**GOOD, "users": "x"}, "users", "missing or not a list"),
        ({**GOOD, "users": [{"name": "u"}]}, "users[0].user", "missing or not a mapping"),
        ({**GOOD, "contexts": [{"name": "prod", "context": {}}]}, "contexts[0].context.cluster", "is missing"),
        (user(exec={"command": "aws"}), "users[1].user.exec", "runs a program"),
        (user(auth_provider={"name": "gcp"}), "users[1].user.auth-provider", "needs a plugin"),
        (user(tokenFile="/etc/passwd"), "users[1].user.tokenFile", "names a file"),
        (user(client_certificate="/a"), "users[1].user.client-certificate", "names a file"),
        (user(client_key="../a"), "users[1].user.client-key", "names a file"),
        (cluster(certificate_authority="/ca"), "clusters[0].cluster.certificate-authority", "names a file"),
        (user(**{"as": "system:admin"}), "users[1].user.as", "serviceAccountName"),
        (user(as_groups=["system:masters"]), "users[1].user.as-groups", "not supported"),
        (user(token=12345), "users[1].user.token", "must be a string"),
        (user(token="s3cr3t\r\nX-Evil: 1"), "users[1].user.token", "characters"),
        (user(token=None, username="u"), "users[1].user", "only one of username"),
        (user(client_key_data=PEM), "users[1].user", "only one of client-certificate-data"),
        (user(client_key_data="s3cr3t!"), "users[1].user.client-key-data", "not base64"),
        (user(client_key_data="czNjcjN0"), "users[1].user.client-key-data", "not PEM"),
        (cluster(insecure_skip_tls_verify=True), "insecure-skip-tls-verify", "contradicts"),
        (cluster(insecure_skip_tls_verify="yes"), "insecure-skip-tls-verify", "true or false"),
        (cluster(server=""), "clusters[0].cluster.server", "is missing"),
        (cluster(server="prod.example"), "clusters[0].cluster.server", "not an http"),
        (cluster(server="file:///etc"), "clusters[0].cluster.server", "not an http"),
        (cluster(server="https://a:b:c"), "clusters[0].cluster.server", "not a URL"),
        (cluster(server="https://u:s3cr3t@host"), "clusters[0].cluster.server", "without user name"),
        (cluster(server="https://host/a b"), "clusters[0].cluster.server", "not an http"),
        (cluster(proxy_url="socks5://host"), "proxy-url", "http://"),
        ([], "", "is not a kubeconfig"),
        ("s3cr3t", "", "is not a kubeconfig"),
    ],
)
def test_what_is_refused_and_how_it_is_said(document: Any, field: str, words: str) -> None:
    with pytest.raises(OperationError) as refusal:
        check(document, where=WHERE)
    message = refusal.value.message
    assert f"the kubeconfig in {WHERE}" in message
    assert field in message
    assert words in message
    assert "s3cr3t" not in message
    assert message.endswith(".")
    assert (refusal.value.reason, refusal.value.retryable) == ("KubeconfigInvalid", True)


@pytest.mark.parametrize(
    "text",
    [
        "a: [s3cr3t",
        "token: s3cr3t: nested: no",
        "a: *s3cr3t",
        "a: !!python/object/apply:os.system [s3cr3t]",
        "\x00s3cr3t",
        "[" * 200_000,
        "- " * 100_000,
    ],
)
def test_what_is_not_yaml_is_said_without_its_text(text: str) -> None:
    with pytest.raises(OperationError, match="is not YAML") as refusal:
        parse(text, where=WHERE)
    assert "s3cr3t" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_position_is_told_where_there_is_one() -> None:
    with pytest.raises(OperationError, match=r"line 2, column 4"):
        parse("a: 1\nb: ]\n", where=WHERE)


def test_one_document_of_utf8_is_expected() -> None:
    with pytest.raises(OperationError, match="2 YAML documents"):
        parse(yaml.safe_dump(GOOD) + "---\na: 1\n", where=WHERE)
    with pytest.raises(OperationError, match="0 YAML documents"):
        parse("", where=WHERE)
    with pytest.raises(OperationError, match="not UTF-8"):
        parse(b"\xffs3cr3t", where=WHERE)


def test_size_is_limited() -> None:
    with pytest.raises(OperationError, match="bytes long"):
        parse("#" * (KUBECONFIG_BYTES_MAX + 1), where=WHERE)
