"""Typed values: field sets, comparison, merge and removal of items by schema.

Pure. Semantics: structured-merge-diff v6 `typed` (`tofieldset.go`, `compare.go`, `merge.go`, `remove.go`). Absent is
`None`; results share structure with their arguments, so that what did not change stays the very same object.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from reconciler.adapters.memory import fieldset
from reconciler.adapters.memory.fieldset import FieldSet
from reconciler.adapters.memory.schema import Schema

_encode = msgspec.json.Encoder(order="sorted").encode


class Comparison(NamedTuple):
    """What the right side added, removed and modified."""

    added: FieldSet
    removed: FieldSet
    modified: FieldSet


def granular(value: Any, schema: Schema) -> bool:
    """Whether ownership and merging go below this value."""
    if isinstance(value, dict):
        return schema.type == "any" or (schema.type == "object" and schema.relation == "map")
    return isinstance(value, list) and schema.type == "array" and schema.relation != "atomic"


def same(left: Any, right: Any) -> bool:
    """JSON equality: `1` is not `true`."""
    return left is right or (left == right and (isinstance(left, str) or _encode(left) == _encode(right)))


def element_of(item: Any, schema: Schema) -> str:
    """The path element of an item of a list-map or set; key defaults count as given."""
    if schema.relation == "set" or not isinstance(item, dict):
        return fieldset.value_of(item)
    values = {}
    for key in schema.keys:
        value = item.get(key)
        value = schema.item.child(key).default if value is None else value
        if value is not None:
            values[key] = value
    return fieldset.key_of(values)


def index(items: list[Any] | None, schema: Schema) -> dict[str, Any]:
    """Items by path element; of duplicates the first."""
    found: dict[str, Any] = {}
    for item in items or ():
        found.setdefault(element_of(item, schema), item)
    return found


def fields_of(value: Any, schema: Schema) -> FieldSet | None:
    """The field set of a value, as a node; None for nothing."""
    if not granular(value, schema):
        return {}
    children: FieldSet = {}
    if isinstance(value, list):
        for element, item in index(value, schema).items():
            children[element] = _as_member(fields_of(item, schema.item))
        return children or None
    for name, item in value.items():
        child = fields_of(item, schema.child(name))
        if item is None or item == {} or name not in schema.fields:
            child = _as_member(child)
        if child is not None:
            children[f"f:{name}"] = child
    return children or None


def _as_member(found: FieldSet | None) -> FieldSet:
    return fieldset.node(True, {k: v for k, v in (found or {}).items() if k != fieldset.MEMBER}) or {}


def members_of(value: Any, schema: Schema) -> FieldSet:
    """Every place in a value, containers too: what an added or removed value adds or removes."""
    if not granular(value, schema):
        return {}
    if isinstance(value, list):
        children = {e: members_of(item, schema.item) for e, item in index(value, schema).items()}
    else:
        children = {f"f:{name}": members_of(item, schema.child(name)) for name, item in value.items()}
    return _as_member(children)


def compare(left: Any, right: Any, *, schema: Schema) -> Comparison:
    """Compares two granular values (roots)."""
    result = Comparison({}, {}, {})
    if left is not right:
        _compare_children(left or {}, right or {}, schema=schema, into=result)
    return result


def _compare_children(left: Any, right: Any, *, schema: Schema, into: Comparison) -> None:
    if isinstance(left, list):
        lefts, rights = index(left, schema), index(right, schema)
        pairs = {e: (lefts.get(e), rights.get(e), schema.item) for e in {**lefts, **rights}}
    else:
        names = {**left, **right}
        pairs = {f"f:{name}": (left.get(name), right.get(name), schema.child(name)) for name in names}
    for element, (mine, theirs, child) in pairs.items():
        if mine is not theirs:
            _compare_one(element, mine, right=theirs, schema=child, into=into)


def _compare_one(element: str, left: Any, *, right: Any, schema: Schema, into: Comparison) -> None:
    if left is None:
        into.added[element] = members_of(right, schema)
    elif right is None:
        into.removed[element] = members_of(left, schema)
    elif not (granular(left, schema) and granular(right, schema)) or type(left) is not type(right):
        if not same(left, right):
            into.modified[element] = {}
    else:
        below = Comparison({}, {}, {})
        _compare_children(left, right, schema=schema, into=below)
        for whole, part in zip(into, below, strict=True):
            if part:
                whole[element] = part


def merge(live: Any, config: Any, *, schema: Schema) -> Any:
    """`config` laid over `live`: what server-side apply keeps of both."""
    if config is None or live is config:
        return live
    if live is None or not granular(config, schema) or type(live) is not type(config):
        return live if live is not None and same(live, config) else config
    if isinstance(config, list):
        return _keep(live, _merge_lists(live, config, schema=schema))
    merged = dict(live)
    for name, value in config.items():
        merged[name] = merge(live.get(name), value, schema=schema.child(name))
    return _keep(live, merged)


def _keep(live: Any, merged: Any) -> Any:
    """The live container itself when nothing in it changed."""
    if len(live) != len(merged):
        return merged
    pairs = zip(live, merged, strict=True) if isinstance(live, list) else ((live.get(k), v) for k, v in merged.items())
    return live if all(a is b for a, b in pairs) else merged


def _merge_lists(live: list[Any], config: list[Any], *, schema: Schema) -> list[Any]:
    """Items in the order of `config`, those only in `live` staying where they were between them."""
    lefts, rights = index(live, schema), index(config, schema)
    left_order, right_order = list(lefts), list(rights)
    shared = iter([element for element in right_order if element in lefts])
    next_shared = next(shared, None)
    merged: dict[str, Any] = {}
    li = ri = 0
    while li < len(left_order) or ri < len(right_order):
        element = left_order[li] if li < len(left_order) else None
        if element is not None and element not in rights:
            merged[element] = lefts[element]
            li += 1
            continue
        if element is not None and (
            element in merged or (ri < len(right_order) and element not in (right_order[ri], next_shared))
        ):
            li += 1
            continue
        if ri == len(right_order):
            break
        taken = right_order[ri]
        merged[taken] = merge(lefts.get(taken), rights[taken], schema=schema.item)
        ri += 1
        li += element == taken
        next_shared = next(shared, None) if taken == next_shared else next_shared
    return list(merged.values())


def remove(value: Any, gone: FieldSet, *, schema: Schema) -> Any:
    """`value` without the members of `gone`; None when nothing is left."""
    if not gone or not value or not isinstance(value, (dict, list)):
        return value
    if not granular(value, schema):
        return None
    if isinstance(value, list):
        items = [
            remove(item, gone.get(element, {}), schema=schema.item)
            for item in value
            if not _is_gone(element := element_of(item, schema), gone)
        ]
        return _keep(value, items) if items else None
    kept = {
        name: remove(item, gone.get(f"f:{name}", {}), schema=schema.child(name))
        for name, item in value.items()
        if not _is_gone(f"f:{name}", gone)
    }
    kept = {name: item for name, item in kept.items() if item is not None}
    return _keep(value, kept) if kept else None


def _is_gone(element: str, gone: FieldSet) -> bool:
    found = gone.get(element)
    return found is not None and fieldset.is_member(found)


def with_named_members(fields: FieldSet, schema: Schema) -> FieldSet:
    """`EnsureNamedFieldsAreMembers`: declared fields that hold members are members themselves."""
    result: FieldSet = {}
    for element, child in fields.items():
        if element == fieldset.MEMBER or not child:
            result[element] = child
            continue
        name = element[2:]
        below = with_named_members(child, schema.child(name) if element[0] == "f" else schema.item)
        result[element] = _as_member(below) if element[0] == "f" and name in schema.fields else below
    return result
