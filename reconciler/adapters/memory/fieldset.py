"""Sets of field paths as tries in the very form of `fieldsV1`: `{"f:spec": {"f:replicas": {}}}`.

Not aware of any schema. A node is a member when it is empty or holds `.`. Operations never change their arguments and
may share parts of them. Semantics: structured-merge-diff `fieldpath.Set`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

#: A trie node.
FieldSet = dict[str, Any]

_encode = msgspec.json.Encoder(order="sorted").encode
MEMBER = "."


def key_of(values: dict[str, Any]) -> str:
    """The path element of a list-map item by its key values: `k:{"name":"web"}`."""
    return "k:" + _encode(values).decode()


def value_of(value: Any) -> str:
    """The path element of a set's item: `v:"x"`."""
    return "v:" + _encode(value).decode()


def is_member(node: FieldSet) -> bool:
    return not node or MEMBER in node


def node(member: bool, children: FieldSet) -> FieldSet | None:
    """A node with these children; None when it would hold nothing."""
    if not children:
        return {} if member else None
    return {MEMBER: {}, **children} if member else children


def _items(node: FieldSet) -> Iterator[tuple[str, FieldSet]]:
    return ((key, child) for key, child in node.items() if key != MEMBER)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Both roots are containers: an empty root is the empty set, not a member."""
    if not left or left is right:
        return right
    if not right:
        return left
    merged = dict(left)
    for key, child in _items(right):
        mine = merged.get(key)
        merged[key] = child if mine is None else _union_nodes(mine, child)
    return merged


def _union_nodes(left: FieldSet, right: FieldSet) -> FieldSet:
    if left is right:
        return left
    member = is_member(left) or is_member(right)
    children = dict(_items(left))
    for key, child in _items(right):
        mine = children.get(key)
        children[key] = child if mine is None else _union_nodes(mine, child)
    return node(member, children) or {}


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that are not members of `right`."""
    if not right or not left:
        return left
    result: FieldSet = {}
    for key, child in _items(left):
        other = right.get(key)
        kept = child if other is None else _minus(child, other)
        if kept is not None:
            result[key] = kept
    return result


def _minus(left: FieldSet, right: FieldSet) -> FieldSet | None:
    member = is_member(left) and not is_member(right)
    return node(member, difference({k: v for k, v in left.items() if k != MEMBER}, right))


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of both."""
    result: FieldSet = {}
    for key, child in _items(left):
        other = right.get(key)
        if other is not None:
            kept = node(is_member(child) and is_member(other), intersection(child, other))
            if kept is not None:
                result[key] = kept
    return result


def without(fields: FieldSet, prefixes: FieldSet) -> FieldSet:
    """`fields` less every member of `prefixes` and all that is below one."""
    if not prefixes:
        return fields
    result: FieldSet = {}
    for key, child in _items(fields):
        other = prefixes.get(key)
        if other is None:
            result[key] = child
        elif not is_member(other):
            kept = node(is_member(child), without({k: v for k, v in child.items() if k != MEMBER}, other))
            if kept is not None:
                result[key] = kept
    return result


def only(fields: FieldSet, prefixes: FieldSet) -> FieldSet:
    """The members of `fields` that are at or below a member of `prefixes`."""
    result: FieldSet = {}
    for key, child in _items(fields):
        other = prefixes.get(key)
        if other is None:
            continue
        kept = child if is_member(other) else node(False, only(child, other))
        if kept is not None:
            result[key] = kept
    return result


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every member as a tuple of path elements, sorted."""
    for key in sorted(key for key in fields if key != MEMBER):
        child = fields[key]
        here = (*prefix, key)
        if is_member(child):
            yield here
        yield from paths(child, here)


def render(path: tuple[str, ...]) -> str:
    """A path as the API prints it: `.spec.containers[name="web"].image`."""
    return "".join(_render(element) for element in path)


def _render(element: str) -> str:
    kind, text = element[:1], element[2:]
    if kind == "f":
        return f".{text}"
    if kind == "k":
        values = msgspec.json.decode(text)
        return "[" + ",".join(f"{name}={_encode(value).decode()}" for name, value in sorted(values.items())) + "]"
    return f"[={text}]"
