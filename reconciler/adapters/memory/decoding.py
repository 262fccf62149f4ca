"""From a request's JSON to an object of its type: unknown fields, wrong types, nulls and defaults.

Pure. What a real API server does on decoding; whether a decoded object is *valid* is asked elsewhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.adapters.memory import fieldset
from reconciler.adapters.memory.quantity import canonical
from reconciler.adapters.memory.schema import Schema, named
from reconciler.adapters.memory.typed import element_of


class Decoded(NamedTuple):
    """A value without nulls and unknown fields, and the paths of the fields that were dropped."""

    value: Any
    unknown: list[str]


def decode(value: Any, schema: Schema) -> Decoded:
    """Drops what the type does not know, and nulls."""
    unknown: list[str] = []
    return Decoded(_decode(value, schema, path="", unknown=unknown), unknown)


def _decode(value: Any, schema: Schema, *, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        if schema.type not in ("object", "any"):
            return value
        open_ended = schema.type == "any" or schema.element is not None or schema.preserve
        result = {}
        for name, item in value.items():
            if name not in schema.fields and not open_ended:
                unknown.append(f"{path}.{name}".lstrip("."))
            elif item is not None or schema.child(name).nullable:
                result[name] = _decode(item, schema.child(name), path=f"{path}.{name}", unknown=unknown)
        if schema is named("meta.v1.ObjectMeta"):
            result = {name: item for name, item in result.items() if item not in ({}, [])}
        return result
    if isinstance(value, list) and schema.type == "array":
        return [
            _decode(item, schema.item, path=f"{path}[{number}]", unknown=unknown) for number, item in enumerate(value)
        ]
    return canonical(str(value)) if schema is named("api.resource.Quantity") else value


_GO = {
    str: "string", bool: "bool", int: "number", float: "number", dict: "object", list: "array",
}  # fmt: skip
_WANTED = {"string": "string", "integer": "int32", "number": "float64", "boolean": "bool"}


def unmarshal_error(value: Any, schema: Schema, *, path: str = "") -> str:
    """The first wrong type in a built-in object, in the words of Go's decoder; empty when all fit."""
    if value is None or schema.type == "any":
        return ""
    if not _fits(value, schema, quantity=True):
        wanted = _WANTED.get(schema.type, "object" if schema.type == "object" else "slice")
        return f"json: cannot unmarshal {_GO[type(value)]} into Go struct field {path.lstrip('.')} of type {wanted}"
    for below, item, child in _children(value, schema, path=path):
        if found := unmarshal_error(item, child, path=below):
            return found
    return ""


def _children(value: Any, schema: Schema, *, path: str) -> list[tuple[str, Any, Schema]]:
    if isinstance(value, dict):
        return [(f"{path}.{name}", item, schema.child(name)) for name, item in value.items()]
    if isinstance(value, list):
        return [(path, item, schema.item) for item in value]
    return []


def _fits(value: Any, schema: Schema, *, quantity: bool = False) -> bool:
    match schema.type:
        case "string":
            numeric = quantity and _is_number(value) and schema is named("api.resource.Quantity")
            return isinstance(value, str) or numeric
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return _is_number(value)
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_NUMERIC = "numeric (int or float)"
_SMD = {
    "string": "string",
    "integer": _NUMERIC,
    "number": _NUMERIC,
    "boolean": "boolean",
    "object": "map",
    "array": "list",
}


def typed_error(value: Any, schema: Schema, *, path: str = "") -> str:
    """Why server-side apply would not take this as a patch of its type; empty when it does.

    Source of the words: structured-merge-diff `typed/validate.go`.
    """
    if value is None or schema.type == "any":
        return ""
    if not _fits(value, schema, quantity=True):
        return f"{path}: expected {_SMD[schema.type]}, got {_shown(value, schema.type)}"
    if isinstance(value, dict):
        for name in value:
            if name not in schema.fields and schema.element is None and not schema.preserve:
                return f"{path}.{name}: field not declared in schema"
    if duplicate := _duplicate(value, schema):
        return f"{path}: duplicate entries for key {duplicate}"
    below = _children(value, schema, path=path)
    if isinstance(value, list):
        below = [(f"{path}[{number}]", item, schema.item) for number, item in enumerate(value)]
    for where, item, child in below:
        if found := typed_error(item, child, path=where):
            return found
    return ""


def _shown(value: Any, wanted: str) -> str:
    """A wrong value in Go's words: its type where a number is wanted, itself elsewhere."""
    if wanted in ("integer", "number"):
        names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
        return names.get(type(value), "float64")
    if wanted == "string":
        return f"&value.valueUnstructured{{Value:{_go(value)}}}"
    return f"&{{{_go(value)}}}"


def _go(value: Any) -> str:
    """Go's `%v`, near enough to be read."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_go(item)}" for name, item in sorted(value.items())) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_go, value)) + "]"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _duplicate(value: Any, schema: Schema) -> str:
    if not isinstance(value, list) or schema.type != "array" or schema.relation == "atomic":
        return ""
    seen: set[str] = set()
    for item in value:
        element = element_of(item, schema)
        if element in seen:
            return fieldset.render((element,))
        seen.add(element)
    return ""


def with_defaults(value: Any, schema: Schema) -> Any:
    """Fills in the defaults of a CRD's schema; what is complete is returned as it is."""
    if isinstance(value, dict) and schema.type == "object":
        result = value
        for name, child in schema.fields.items():
            item = value.get(name, child.default if child.has_default and name not in value else None)
            filled = with_defaults(item, child) if item is not None else None
            if filled is not None and filled is not value.get(name):
                result = {**result, name: filled}
        if schema.element is not None and not schema.fields:
            filled_map = {name: with_defaults(item, schema.element) for name, item in value.items()}
            return filled_map if any(filled_map[k] is not value[k] for k in value) else value
        return result
    if isinstance(value, list) and schema.element is not None:
        items = [with_defaults(item, schema.element) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value
