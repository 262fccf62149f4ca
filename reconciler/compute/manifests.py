"""Rendered multi-document YAML to the objects that are applied, and their digests.

Not a schema check: the API server owns that. Here: documents become objects, Lists are expanded, what is no object
of the cluster is dropped, and each object is normalised so that a later comparison sees intent only. Invariant: an
error names the document, its line and the field, and quotes no value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from reconciler.compute.normalise import normalise
from reconciler.compute.sizes import human_bytes
from reconciler.compute.yamldoc import Document, YAMLProblem, documents
from reconciler.errors import OperationError

Object = dict[str, Any]

_MIB = 1024 * 1024
_KUSTOMIZE_GROUP = "kustomize.config.k8s.io/"
#: The namespace that older Flux builds generated as a stand-in for "none".
_PLACEHOLDER = "_placeholder"


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestLimits:
    """Caps on one stage's manifests."""

    text_bytes_max: int = 32 * _MIB
    objects_max: int = 10_000
    #: The API server refuses request bodies of more than 3 MiB (`MaxRequestBodyBytes`), and etcd less by default.
    object_bytes_max: int = 3 * _MIB


class Manifest(NamedTuple):
    """One object and where it stood: document number (from 1) and line (from 1) in the rendered text."""

    object: Object
    document: int
    line: int


def parse(text: str, *, limits: ManifestLimits | None = None) -> list[Object]:
    """The normalised objects of the rendered text, in its order. See `parse_located` for the errors."""
    return [manifest.object for manifest in parse_located(text, limits=limits)]


def parse_located(text: str, *, limits: ManifestLimits | None = None) -> list[Manifest]:
    """As `parse`, with the place of each object.

    Raises `OperationError`, not retryable: `MalformedManifest` (no YAML, a required field is missing or of the
    wrong type), `DuplicateObject` (two documents describe the same object) or `ManifestsTooLarge`.
    """
    limits = limits or ManifestLimits()
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.text_bytes_max:
        cap = human_bytes(limits.text_bytes_max)
        raise _too_large(f"the manifests have {human_bytes(size)}, more than {cap}: split the stage")
    try:
        found = documents(text)
    except YAMLProblem as problem:
        raise malformed(f"line {problem.line}, column {problem.column}", problem.problem) from None
    manifests = [manifest for document in found for manifest in _objects(document)]
    _check_set(manifests, limits)
    return manifests


def reference(obj: Object) -> str:
    """`Kind/namespace/name`, or `Kind/name` without a namespace: how messages name an object."""
    metadata = obj["metadata"]
    return "/".join(part for part in (obj["kind"], metadata.get("namespace"), metadata["name"]) if part)


def object_digest(obj: Object) -> str:
    """`sha256:<hex>` over the object as JSON with sorted keys. Of an object with Secret values: of its record."""
    return "sha256:" + hashlib.sha256(canonical(obj)).hexdigest()


def set_digest(objects: Iterable[Object]) -> str:
    """`sha256:<hex>` over the digests of all objects, whatever their order."""
    digests = sorted(object_digest(obj) for obj in objects)
    return "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces."""
    return msgspec.json.encode(value, order="sorted")


def malformed(where: str, problem: str) -> OperationError:
    """The error for a text that is no manifest; `where` is a file or a place in the rendered text."""
    return OperationError(f"malformed manifest: {where}: {problem}", reason="MalformedManifest", retryable=False)


def objects_of(document: Document, *, where: str) -> Iterator[Object]:
    """The document's objects with Lists expanded, required fields checked, nothing dropped or normalised."""
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        raise malformed(where, f"is a {_type(document.value)}, not an object with apiVersion, kind and metadata.name")
    if not _is_list(document.value):
        yield _checked(document.value, where)
        return
    for index, item in enumerate(_items(document.value, where)):
        inner = Document(document.number, document.line, item)
        yield from objects_of(inner, where=f"{where}, items[{index}]")


def _is_list(value: dict[str, Any]) -> bool:
    """`v1 List` or a typed list such as `ConfigMapList`: has items and no name of its own (apimachinery `IsList`)."""
    kind, metadata = value.get("kind"), value.get("metadata")
    named = isinstance(metadata, dict) and bool(metadata.get("name"))
    return isinstance(kind, str) and kind.endswith("List") and "items" in value and not named


def _items(value: dict[str, Any], where: str) -> list[Any]:
    items = value["items"]
    if items is None:
        return []
    if not isinstance(items, list):
        raise malformed(where, f"items is a {_type(items)}, not a list")
    return items


def _objects(document: Document) -> Iterator[Manifest]:
    where = f"document {document.number} (line {document.line})"
    for obj in objects_of(document, where=where):
        if not _dropped(obj):
            yield Manifest(normalise(obj), document.number, document.line)


def _dropped(obj: Object) -> bool:
    kind, group = str(obj["kind"]), str(obj["apiVersion"])
    if kind == "Kustomization" and group.startswith(_KUSTOMIZE_GROUP):
        return True
    return kind == "Namespace" and bool(obj["metadata"]["name"] == _PLACEHOLDER)


def _checked(obj: dict[str, Any], where: str) -> Object:
    for field in ("apiVersion", "kind"):
        _require_text(obj.get(field), field, where)
    named = f"{where}, a {obj['kind']}"
    metadata = obj.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise malformed(named, f"metadata is a {_type(metadata)}, not a mapping")
    _require_text((metadata or {}).get("name"), "metadata.name", named)
    assert metadata is not None
    if metadata.get("namespace") is not None:
        _require_text(metadata["namespace"], "metadata.namespace", named)
    for field in ("labels", "annotations"):
        _check_texts(metadata.get(field), f"metadata.{field}", named)
    return obj


def _require_text(value: Any, field: str, where: str) -> None:
    if value is None or value == "":
        raise malformed(where, f"{field} is missing: every object needs apiVersion, kind and metadata.name")
    if not isinstance(value, str):
        raise malformed(where, f"{field} is a {_type(value)}, not a string: quote the value")


def _check_texts(values: Any, field: str, where: str) -> None:
    if values is None:
        return
    if not isinstance(values, dict):
        raise malformed(where, f"{field} is a {_type(values)}, not a mapping")
    for key, value in values.items():
        if value is not None and not isinstance(value, str):
            hint = "quote the value; substitution drops quotes that kustomize did not need"
            raise malformed(where, f"{field}[{key!r}] is a {_type(value)}, not a string: {hint}")


def _type(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _check_set(manifests: Sequence[Manifest], limits: ManifestLimits) -> None:
    if len(manifests) > limits.objects_max:
        count = len(manifests)
        raise _too_large(f"the manifests hold {count} objects, more than {limits.objects_max}: split the stage")
    seen: dict[tuple[str, str, str, str], Manifest] = {}
    for manifest in manifests:
        size = len(msgspec.json.encode(manifest.object))
        if size > limits.object_bytes_max:
            name, cap = reference(manifest.object), human_bytes(limits.object_bytes_max)
            raise _too_large(f"{name} has {human_bytes(size)}, more than the {cap} that the API server takes")
        earlier = seen.setdefault(_identity(manifest.object), manifest)
        if earlier is not manifest:
            raise _duplicate(manifest, earlier)


def _identity(obj: Object) -> tuple[str, str, str, str]:
    group, slash, _ = obj["apiVersion"].partition("/")
    metadata = obj["metadata"]
    return (group if slash else "", obj["kind"], metadata.get("namespace") or "", metadata["name"])


def _duplicate(manifest: Manifest, earlier: Manifest) -> OperationError:
    name = reference(manifest.object)
    places = f"documents {earlier.document} (line {earlier.line}) and {manifest.document} (line {manifest.line})"
    return OperationError(
        f"{name} is described twice, in {places} of the rendered manifests: keep one",
        reason="DuplicateObject",
        retryable=False,
        evidence={"object": name},
    )


def _too_large(message: str) -> OperationError:
    return OperationError(message, reason="ManifestsTooLarge", retryable=False)
