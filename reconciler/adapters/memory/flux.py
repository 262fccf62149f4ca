"""Minimal definitions of Flux's source kinds, for demos and tests without a Flux installation.

Not Flux's own CRDs: the fields that a consumer reads are typed, everything else is kept as it comes. `spec` is open.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
GROUP = "source.toolkit.fluxcd.io"
#: Kind, plural and short names.
KINDS = (
    ("ExternalArtifact", "externalartifacts", ()),
    ("GitRepository", "gitrepositories", ("gitrepo",)),
    ("OCIRepository", "ocirepositories", ("ocirepo",)),
    ("Bucket", "buckets", ()),
)

_TEXT = {"type": "string"}
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_ARTIFACT = {
    "type": "object",
    "required": ["digest", "lastUpdateTime", "path", "revision", "url"],
    "properties": {
        "digest": {"type": "string", "pattern": "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"},
        "lastUpdateTime": {"type": "string", "format": "date-time"},
        "metadata": {"type": "object", "additionalProperties": _TEXT},
        "path": _TEXT,
        "revision": _TEXT,
        "size": {"type": "integer", "format": "int64"},
        "url": _TEXT,
    },
}
_CONDITION = {
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": _TEXT, "reason": _TEXT, "message": _TEXT,
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
    },
}  # fmt: skip
_STATUS = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
    "properties": {
        "artifact": _ARTIFACT,
        "conditions": {"type": "array", "items": _CONDITION},
        "observedGeneration": {"type": "integer", "format": "int64"},
    },
}
_COLUMNS = [
    {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
    {"name": "Status", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].message'},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def source_crds() -> list[Object]:
    """CustomResourceDefinitions of ExternalArtifact, GitRepository, OCIRepository and Bucket, version `v1`."""
    return [_crd(kind, plural, short=list(short)) for kind, plural, short in KINDS]


def _crd(kind: str, plural: str, *, short: list[str]) -> Object:
    schema = {"type": "object", "properties": {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"},
                                               "spec": _OPEN, "status": _STATUS}}  # fmt: skip
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "additionalPrinterColumns": _COLUMNS, "schema": {"openAPIV3Schema": schema},
    }  # fmt: skip
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "versions": [version],
            "names": names | ({"shortNames": short} if short else {}),
        },
    }  # fmt: skip
