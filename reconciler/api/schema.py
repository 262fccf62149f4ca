"""The types of the API as a small tree that the CRDs, the reference page and the structural checks are made from.

Not a second description: every word and limit is read from the types. Invariant: a type that the tree cannot express
raises when it is read, so no field can be left out of the schema unnoticed.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import NODEFAULT, inspect

#: Reading a type costs milliseconds; it never changes.
_NODES: dict[type, Node] = {}

Kind = Literal["string", "integer", "boolean", "array", "map", "object"]


class Node(NamedTuple):
    """A value: its kind, its limits and its parts."""

    kind: Kind
    #: Schema keywords beyond the limits: `format`, `default`, `x-kubernetes-…`.
    keywords: dict[str, Any]
    description: str = ""
    #: What holds when the value is absent, in words.
    effective: str = ""
    #: The pattern in words.
    expects: str = ""
    #: `duration` or `time` where the text has a grammar of its own.
    form: str = ""
    pattern: str = ""
    enum: tuple[str, ...] = ()
    #: Limits of the length of a string or list, or of an integer's value.
    least: int | None = None
    most: int | None = None
    #: Element of an array or map.
    item: Node | None = None
    #: Parts of an object, by their name in JSON.
    fields: dict[str, Field] = {}  # noqa: RUF012 - a default of a tuple, never changed
    struct: type | None = None


class Field(NamedTuple):
    """A part of an object."""

    name: str
    attribute: str
    node: Node
    required: bool
    #: The value of the decoded attribute when the field is absent.
    default: Any


def of(struct: type) -> Node:
    """The tree of a Struct. Raises `TypeError` for a type that has no place in the schema."""
    if struct not in _NODES:
        _NODES[struct] = _node(inspect.type_info(struct))
    return _NODES[struct]


def _node(info: inspect.Type) -> Node:
    if isinstance(info, inspect.Metadata):
        return _annotated(_node(info.type), info)
    if isinstance(info, inspect.UnionType):
        (only,) = [part for part in info.types if not isinstance(part, inspect.NoneType)]
        return _node(only)
    if isinstance(info, inspect.StrType):
        return Node("string", {}, pattern=info.pattern or "", least=info.min_length, most=info.max_length)
    if isinstance(info, inspect.LiteralType):
        return Node("string", {}, enum=tuple(str(value) for value in info.values))
    if isinstance(info, inspect.IntType):
        return Node("integer", {}, least=info.ge, most=info.le)
    if isinstance(info, inspect.BoolType):
        return Node("boolean", {})
    if isinstance(info, inspect.VarTupleType):
        return Node("array", {}, item=_node(info.item_type), least=info.min_length, most=info.max_length)
    if isinstance(info, inspect.DictType):
        return Node("map", {}, item=_node(info.value_type))
    if isinstance(info, inspect.StructType):
        parts = {part.encode_name: _field(part) for part in info.fields}
        return Node("object", {}, description=_first_paragraph(info.cls), fields=parts, struct=info.cls)
    raise TypeError(f"{info} has no place in the schema of the API: use str, int, bool, Literal, tuple, dict or Struct")


def _annotated(node: Node, info: inspect.Metadata) -> Node:
    keywords = dict(info.extra_json_schema or {})
    extra = info.extra or {}
    return node._replace(
        description=keywords.pop("description", node.description),
        keywords={**node.keywords, **keywords},
        effective=extra.get("effective", node.effective),
        expects=extra.get("expects", node.expects),
        form=extra.get("form", node.form),
    )


def _field(part: inspect.Field) -> Field:
    default = part.default if part.default is not NODEFAULT else None
    if part.default_factory is not NODEFAULT:
        default = part.default_factory()
    return Field(part.encode_name, part.name, _node(part.type), part.required, default)


def _first_paragraph(cls: type) -> str:
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
