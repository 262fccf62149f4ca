"""Validation of custom resources against their structural schema, with the API's sentences.

Pure. What of a CRD's schema is checked: types, required, enum, pattern, lengths, counts, bounds, duplicate list keys.
CEL rules are asked elsewhere. Source of the words: kube-openapi `validation` as the API server prints it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from reconciler.adapters.memory.schema import Schema
from reconciler.adapters.memory.status import Cause, invalid, required
from reconciler.adapters.memory.typed import element_of

_encode = msgspec.json.Encoder(order="sorted").encode


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def shown(value: Any) -> str:
    """A value as validation messages print it."""
    if isinstance(value, dict):
        return '"object"'
    return '"array"' if isinstance(value, list) else _encode(value).decode()


def validate(value: Any, schema: Schema, *, path: str = "") -> list[Cause]:
    """Every way in which `value` breaks the schema."""
    return list(_validate(value, schema, path=path))


def _validate(value: Any, schema: Schema, *, path: str) -> Iterator[Cause]:
    if value is None and schema.nullable:
        return
    if not _right_type(value, schema):
        found = _type_name(value)
        wanted = "integer,string" if schema.int_or_string else schema.type
        yield invalid(path, f'"{found}"', message=f'{path} in body must be of type {wanted}: "{found}"')._replace(
            reason="FieldValueTypeInvalid"
        )
        return
    yield from _enum(value, schema, path=path)
    if isinstance(value, str):
        yield from _text(value, schema, path=path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path=path)
    elif isinstance(value, list):
        yield from _array(value, schema, path=path)
    elif not isinstance(value, bool):
        yield from _number(value, schema, path=path)


def _type_name(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _right_type(value: Any, schema: Schema) -> bool:
    if schema.int_or_string:
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    found = _type_name(value)
    return schema.type in ("any", found) or (schema.type == "number" and found == "integer")


def _enum(value: Any, schema: Schema, *, path: str) -> Iterator[Cause]:
    allowed = schema.raw.get("enum")
    if allowed is not None and value not in allowed:
        names = ", ".join(_encode(item).decode() for item in allowed)
        message = f"Unsupported value: {_encode(value).decode()}: supported values: {names}"
        yield Cause("FieldValueNotSupported", path, message)


def _text(value: str, schema: Schema, *, path: str) -> Iterator[Cause]:
    raw = schema.raw
    if "maxLength" in raw and len(value) > raw["maxLength"]:
        yield Cause("FieldValueTooLong", path, f"Too long: may not be more than {raw['maxLength']} bytes")
    if "minLength" in raw and len(value) < raw["minLength"]:
        yield invalid(path, shown(value), message=f"{path} in body should be at least {raw['minLength']} chars long")
    if "pattern" in raw and not _pattern(raw["pattern"]).search(value):
        yield invalid(path, shown(value), message=f"{path} in body should match '{raw['pattern']}'")


def _number(value: float, schema: Schema, *, path: str) -> Iterator[Cause]:
    raw = schema.raw
    if "minimum" in raw and value < raw["minimum"]:
        yield invalid(path, shown(value), message=f"{path} in body should be greater than or equal to {raw['minimum']}")
    if "maximum" in raw and value > raw["maximum"]:
        yield invalid(path, shown(value), message=f"{path} in body should be less than or equal to {raw['maximum']}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _object(value: dict[str, Any], schema: Schema, *, path: str) -> Iterator[Cause]:
    raw = schema.raw
    for name in schema.required:
        if name not in value:
            yield required(_join(path, name))
    if "minProperties" in raw and len(value) < raw["minProperties"]:
        yield invalid(
            path, str(len(value)), message=f"{path} in body should have at least {raw['minProperties']} properties"
        )
    if "maxProperties" in raw and len(value) > raw["maxProperties"]:
        yield Cause(
            "FieldValueTooMany", path, f"Too many: {len(value)}: must have at most {raw['maxProperties']} items"
        )
    for name, item in value.items():
        yield from _validate(item, schema.child(name), path=_join(path, name))


def _array(value: list[Any], schema: Schema, *, path: str) -> Iterator[Cause]:
    raw = schema.raw
    if "maxItems" in raw and len(value) > raw["maxItems"]:
        yield Cause("FieldValueTooMany", path, f"Too many: {len(value)}: must have at most {raw['maxItems']} items")
    if "minItems" in raw and len(value) < raw["minItems"]:
        yield invalid(path, str(len(value)), message=f"{path} in body should have at least {raw['minItems']} items")
    seen: set[str] = set()
    for number, item in enumerate(value):
        yield from _validate(item, schema.item, path=f"{path}[{number}]")
        if schema.relation != "atomic":
            element = element_of(item, schema)
            if element in seen:
                yield Cause("FieldValueDuplicate", f"{path}[{number}]", f"Duplicate value: {element[2:]}")
            seen.add(element)
