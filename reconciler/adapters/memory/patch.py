"""Patches as pure functions: JSON merge (RFC 7396), JSON patch (RFC 6902) and strategic merge (Kubernetes).

Not aware of objects or kinds; strategic merge takes the merge keys from the schema. Arguments are never changed.
Malformed patches raise `PatchError` with the API's sentence.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.schema import Schema
from reconciler.adapters.memory.typed import same


class PatchError(ValueError):
    """A patch that cannot be applied; `code` is the HTTP status the API answers with (400 or 422)."""

    def __init__(self, message: str, *, code: int = 422) -> None:
        super().__init__(message)
        self.code = code


#: All that the API says of an operation that does not fit.
_REJECTED = "the server rejected our request due to an error in our request"


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json(target: Any, operations: Any) -> Any:
    """JSON patch. Raises `PatchError` (422) when an operation does not fit or a `test` fails."""
    if not isinstance(operations, list):
        raise PatchError(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp", code=400
        )
    for operation in operations:
        target = _operate(target, operation)
    return target


def _operate(target: Any, operation: Any) -> Any:
    try:
        verb, path = operation["op"], _pointer(operation["path"])
        match verb:
            case "add" | "replace" | "test":
                value = operation["value"] if verb != "test" else operation.get("value")
                if verb == "test":
                    return _tested(target, path, value=value)
                return _change(target, path, value=value, verb=verb)
            case "remove":
                return _change(target, path, value=None, verb=verb)
            case "copy" | "move":
                source = _pointer(operation["from"])
                value = _lookup(target, source)
                target = _change(target, source, value=None, verb="remove") if verb == "move" else target
                return _change(target, path, value=value, verb="add")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, PatchError):
            raise
        raise PatchError(_REJECTED) from None
    raise PatchError(_REJECTED)


def _pointer(text: str) -> tuple[str, ...]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _lookup(target: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
    return target


def _tested(target: Any, path: tuple[str, ...], *, value: Any) -> Any:
    try:
        found = _lookup(target, path)
    except (KeyError, IndexError):
        found = None
    if not same(found, value):
        raise PatchError(_REJECTED)
    return target


def _change(target: Any, path: tuple[str, ...], *, value: Any, verb: str) -> Any:
    if not path:
        return value
    part, rest = path[0], path[1:]
    copy: Any = list(target) if isinstance(target, list) else dict(target)
    if rest:
        key: Any = int(part) if isinstance(copy, list) else part
        copy[key] = _change(copy[key], rest, value=value, verb=verb)
    elif isinstance(copy, list):
        _change_item(copy, part, value=value, verb=verb)
    elif verb == "add":
        copy[part] = value
    else:
        copy[part]
        copy = {k: v for k, v in copy.items() if k != part} if verb == "remove" else {**copy, part: value}
    return copy


def _change_item(items: list[Any], part: str, *, value: Any, verb: str) -> None:
    position = len(items) if part == "-" else int(part)
    if position < 0 or position > len(items) - (verb != "add"):
        raise IndexError(part)
    if verb == "add":
        items.insert(position, value)
    elif verb == "remove":
        del items[position]
    else:
        items[position] = value


def strategic(target: Any, patch: Any, *, schema: Schema) -> Any:
    """Strategic merge patch with `$patch: delete|replace|merge`, `$retainKeys`, `$deleteFromPrimitiveList/…`.

    `$setElementOrder/…` only orders and is honoured by appending new items.
    """
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "delete":
        return None
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {name: value for name, value in result.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith("$"):
            _primitive_directive(result, name, value=value)
        else:
            _strategic_field(result, name, value=value, schema=schema.child(name))
    return result


def _primitive_directive(result: dict[str, Any], name: str, *, value: Any) -> None:
    if name.startswith("$deleteFromPrimitiveList/"):
        field = name.split("/", 1)[1]
        result[field] = [item for item in result.get(field) or [] if item not in value]


def _strategic_field(result: dict[str, Any], name: str, *, value: Any, schema: Schema) -> None:
    if value is None:
        result.pop(name, None)
    elif isinstance(value, list) and schema.patch_merge:
        result[name] = _strategic_list(result.get(name) or [], value, schema=schema)
    elif isinstance(value, dict):
        merged = strategic(result.get(name), value, schema=schema)
        if merged is None:
            result.pop(name, None)
        else:
            result[name] = merged
    else:
        result[name] = value


def _strategic_list(items: list[Any], patch: list[Any], *, schema: Schema) -> list[Any]:
    key = schema.patch_key
    if not key:
        return items + [item for item in patch if item not in items]
    if {"$patch": "replace"} in patch:
        return [item for item in patch if item != {"$patch": "replace"}]
    result = list(items)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise PatchError(f"map: {item} does not contain declared merge key: {key}", code=400)
        at = next((n for n, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif at is None:
            result.append({name: value for name, value in item.items() if name != "$patch"})
        else:
            result[at] = strategic(result[at], item, schema=schema.item)
    return result
