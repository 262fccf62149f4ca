from __future__ import annotations

import base64
from typing import Any

import pytest

from reconciler.compute.ca_bundle import without_invalid_ca_bundle


def pem(body: bytes) -> str:
    inner = base64.encodebytes(body).decode()
    return base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{inner}-----END CERTIFICATE-----\n".encode()).decode()


def crd(bundle: Any) -> dict[str, Any]:
    client = {"service": {"name": "hook"}, "caBundle": bundle}
    return {
        "kind": "CustomResourceDefinition",
        "spec": {"group": "g", "conversion": {"webhook": {"clientConfig": client}}},
    }


def test_a_certificate_is_kept() -> None:
    given = crd(pem(b"\x30\x82" + b"x" * 100))
    assert without_invalid_ca_bundle(given) is given


@pytest.mark.parametrize("bundle", ["Cg==", "", "not base64!", "AAAA", pem(b"no certificate"), 7, ["x"]])
def test_a_placeholder_is_dropped_and_nothing_else(bundle: Any) -> None:
    given = crd(bundle)
    kept = without_invalid_ca_bundle(given)
    assert kept["spec"] == {"group": "g", "conversion": {"webhook": {"clientConfig": {"service": {"name": "hook"}}}}}
    assert given["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"] == bundle


def test_without_a_bundle_nothing_changes() -> None:
    for given in ({"spec": {}}, {}, {"spec": {"conversion": {"webhook": None}}}):
        assert without_invalid_ca_bundle(given) is given
