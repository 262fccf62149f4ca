"""Types of objects, compiled from OpenAPI: of built-in kinds from `builtin.json`, of custom ones from their CRD.

Not validation: a `Schema` only says what a value at a place is, how lists and maps there merge, and what is defaulted.
A compiled schema is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

Relation = Literal["atomic", "set", "map"]
#: What the API does not check and SSA takes as it comes: maps granular, lists atomic.
ANY = "any"


class Schema:
    """The type of one place in an object."""

    __slots__ = (
        "default", "element", "embedded", "fields", "has_default", "int_or_string", "keys", "nullable", "patch_key",
        "patch_merge", "preserve", "raw", "relation", "required", "retain_keys", "type",
    )  # fmt: skip

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        #: `object`, `array`, `string`, `integer`, `number`, `boolean` or `any`.
        self.type: str = _type(raw)
        self.fields: dict[str, Schema] = {}
        #: The items of an array, or the values of a map.
        self.element: Schema | None = None
        self.relation, self.keys = _relation(raw, self.type)
        self.required: tuple[str, ...] = tuple(raw.get("required") or ())
        self.has_default = "default" in raw
        self.default = raw.get("default")
        self.nullable = bool(raw.get("nullable"))
        self.preserve = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = bool(raw.get("x-kubernetes-embedded-resource"))
        self.int_or_string = bool(raw.get("x-kubernetes-int-or-string")) or raw.get("format") == "int-or-string"
        self.patch_key: str = raw.get("x-kubernetes-patch-merge-key", "")
        strategy = str(raw.get("x-kubernetes-patch-strategy", ""))
        self.patch_merge = "merge" in strategy
        self.retain_keys = "retainKeys" in strategy

    def child(self, name: str) -> Schema:
        """The type of a field or map value; unknown ones are `ANY_SCHEMA`."""
        found = self.fields.get(name)
        return found if found is not None else (self.element or ANY_SCHEMA)

    @property
    def item(self) -> Schema:
        """The type of a list's items."""
        return self.element or ANY_SCHEMA


def _type(raw: Mapping[str, Any]) -> str:
    if raw.get("x-kubernetes-int-or-string") or raw.get("format") == "int-or-string":
        return ANY
    declared = raw.get("type")
    if declared == "object" and not any(
        word in raw for word in ("properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields")
    ):
        return "object" if "x-kubernetes-map-type" in raw or "items" in raw else ANY
    return str(declared) if declared else ANY


def _relation(raw: Mapping[str, Any], type_: str) -> tuple[Relation, tuple[str, ...]]:
    """How SSA merges here. Rules: kube-openapi `schemaconv`, legacy patch tags included."""
    if type_ == "object":
        return ("atomic" if raw.get("x-kubernetes-map-type") == "atomic" else "map"), ()
    if type_ != "array":
        return "atomic", ()
    declared = raw.get("x-kubernetes-list-type")
    if declared == "map":
        return "map", tuple(raw.get("x-kubernetes-list-map-keys") or ())
    if declared == "set":
        return "set", ()
    if declared is None and "merge" in str(raw.get("x-kubernetes-patch-strategy", "")):
        key = raw.get("x-kubernetes-patch-merge-key")
        return ("map", (key,)) if key else ("set", ())
    return "atomic", ()


ANY_SCHEMA = Schema({})

Resolver = Callable[[str], Schema]


def fill(schema: Schema, resolve: Resolver) -> Schema:
    """Compiles the children of a schema into it; `resolve` answers references by name."""
    raw = schema.raw
    schema.fields = {name: _child(child, resolve) for name, child in (raw.get("properties") or {}).items()}
    inner = raw.get("items") if schema.type == "array" else raw.get("additionalProperties")
    schema.element = _child(inner, resolve) if isinstance(inner, Mapping) else None
    if schema.element is None and (inner is True or schema.preserve):
        schema.element = ANY_SCHEMA
    return schema


def _child(raw: Mapping[str, Any], resolve: Resolver) -> Schema:
    return resolve(raw["$ref"]) if "$ref" in raw else fill(Schema(raw), resolve)


@cache
def _types() -> dict[str, Any]:
    data = (files("reconciler.adapters.memory") / "builtin.json").read_bytes()
    types: dict[str, Any] = msgspec.json.decode(data)["types"]
    return types


def raw_types() -> Mapping[str, Any]:
    """The built-in types as OpenAPI schemas by short name (`apps.v1.Deployment`), without prose."""
    return _types()


_named: dict[str, Schema] = {}


def named(name: str) -> Schema:
    """A built-in type by its short name, compiled on first use."""
    if name not in _named:
        schema = _named[name] = Schema(_types()[name])
        fill(schema, named)
    return _named[name]


def _no_references(name: str) -> Schema:
    raise KeyError(name)


def of_crd(raw: Mapping[str, Any]) -> Schema:
    """The root type of a CRD version from its `openAPIV3Schema`: metadata is typed as in every kind."""
    schema = fill(Schema({"type": "object", "properties": {}, **raw}), _no_references)
    _type_metadata(schema)
    return schema


def _type_metadata(schema: Schema) -> None:
    text = Schema({"type": "string"})
    schema.fields = {"apiVersion": text, "kind": text, **schema.fields, "metadata": named("meta.v1.ObjectMeta")}
    for child in schema.fields.values():
        _embed(child)


def _embed(schema: Schema) -> None:
    """Embedded resources have typed metadata too."""
    if schema.embedded and "metadata" not in schema.fields:
        text = Schema({"type": "string"})
        schema.fields = {"apiVersion": text, "kind": text, "metadata": named("meta.v1.ObjectMeta"), **schema.fields}
    if schema.type in ("object", "array") and schema is not named("meta.v1.ObjectMeta"):
        for child in (*schema.fields.values(), *((schema.element,) if schema.element else ())):
            if child is not ANY_SCHEMA and child not in _named.values():
                _embed(child)
