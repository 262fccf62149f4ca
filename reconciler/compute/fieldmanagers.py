"""Who owns a field: `metadata.managedFields` read for people and for ignore rules (KEP-555).

Not ownership's rules: the API server has those. Invariant: nothing here raises on any JSON value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from reconciler.compute.differences import Path
from reconciler.compute.fields import cut, dig, maps, text

MANAGER_CHARS_MAX = 128


def owns(entry: Any, path: Path, *, obj: Any) -> bool:
    """Whether an entry of `managedFields` has a field, or one around it that is owned as a whole.

    `obj` is an object in which `path` leads somewhere: items of lists are named by their keys in an entry.
    """
    node, value = dig(entry, "fieldsV1"), obj
    for depth, part in enumerate(path):
        if not isinstance(node, dict):
            return False
        if depth and not node:
            return True
        value = _inside(value, part)
        node = _child(node, part, value)
    return isinstance(node, dict)


def other_manager(live: Any, paths: Iterable[Path], *, wanted: Any, own: str) -> str:
    """The manager but `own` that has the first of these fields that anybody else has.

    Where nobody has any of them (a field that was removed has no owner), the manager that wrote last; empty where
    there is none. What only wrote the status is not meant.
    """
    entries = [entry for entry in maps(live, "metadata", "managedFields") if _meant(entry, own)]
    entries.sort(key=lambda entry: text(entry, "time"), reverse=True)
    for path in paths:
        for entry in entries:
            if owns(entry, path, obj=live) or owns(entry, path, obj=wanted):
                return _name(entry)
    return _name(entries[0]) if entries else ""


def is_own(live: Any, path: Path, *, wanted: Any, own: str) -> bool:
    """Whether the applier `own` still has a field."""
    return any(
        owns(entry, path, obj=wanted)
        for entry in maps(live, "metadata", "managedFields")
        if text(entry, "manager") == own and text(entry, "operation") == "Apply"
    )


def _meant(entry: Any, own: str) -> bool:
    return text(entry, "manager") != own and text(entry, "subresource") != "status"


def _name(entry: Any) -> str:
    return cut(text(entry, "manager") or "unknown", MANAGER_CHARS_MAX)


def _inside(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _child(node: dict[str, Any], part: str | int, value: Any) -> Any:
    """The node of a field, or of the item of a list that has these keys or this value; None where there is none."""
    if isinstance(part, str):
        return node.get(f"f:{part}")
    return next((child for name, child in node.items() if _names(name, value)), node.get(f"i:{part}"))


def _names(name: str, value: Any) -> bool:
    try:
        if name.startswith("v:"):
            return bool(json.loads(name[2:]) == value)
        keys = json.loads(name[2:]) if name.startswith("k:") else None
    except ValueError:
        return False
    return isinstance(keys, dict) and isinstance(value, dict) and all(value.get(key) == keys[key] for key in keys)
