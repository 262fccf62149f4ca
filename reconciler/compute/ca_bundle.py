"""The CA bundle of a CRD's conversion webhook, dropped where it cannot be one.

Not a trust decision. Charts ship placeholders there that a CA injector fills in later; the API server refuses a CRD
with one. Source of the rule: Flux's server-side apply package, CONTRACT §4.6.
"""

from __future__ import annotations

import base64
import binascii
import re

from reconciler.compute.fields import dig, mapping, text
from reconciler.ports.cluster import Object

_PATH = ("spec", "conversion", "webhook", "clientConfig")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
#: The first byte of every certificate: an ASN.1 sequence.
_SEQUENCE = b"\x30"


def without_invalid_ca_bundle(crd: Object) -> Object:
    """`crd` itself, or a copy without the CA bundle of its conversion webhook where that holds no certificate."""
    if dig(crd, *_PATH, "caBundle") is None or _holds_certificates(text(crd, *_PATH, "caBundle")):
        return crd
    client = {key: value for key, value in mapping(crd, *_PATH).items() if key != "caBundle"}
    webhook = {**mapping(crd, *_PATH[:3]), "clientConfig": client}
    conversion = {**mapping(crd, *_PATH[:2]), "webhook": webhook}
    return {**crd, "spec": {**mapping(crd, "spec"), "conversion": conversion}}


def _holds_certificates(bundle: str) -> bool:
    found = _CERTIFICATE.findall(_decoded(bundle.encode()))
    return bool(found) and all(_decoded(b"".join(body.split())).startswith(_SEQUENCE) for body in found)


def _decoded(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
