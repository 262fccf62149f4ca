"""The reference page of the API, made from the types.

Pure: text, nothing is written. Invariant: every field of every type that a StageSet, a StageInventory or a StageLedger
can hold is on the page, and whether the controller acts on it yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.api import schema
from reconciler.api.schema import Field, Node
from reconciler.api.support import NotYet, not_yet
from reconciler.api.types import ObjectMeta, StageInventory, StageLedger, StageSet

_INTRODUCTION: Final = """\
<!-- Made from reconciler/api/types by `make docs`; change the types, not this file. -->
# API reference: `stages.metio.wtf/v1`

Every field of the API. *Default* is what holds when the field is absent; **required** fields have none. *Supported*
says whether the controller acts on the field: a field that is *not yet* supported is refused by name (`Ready=False`,
reason `InvalidSpec`), never ignored. Rules between fields are checked by the controller and by the command line, and
their messages say what to do.

A `duration` is a Go duration such as `30s`, `10m` or `1h30m`; a `time` is an RFC 3339 time such as
`2006-01-02T15:04:05Z`. A `decimal string` is a number in quotes, because the API has no floating point.
"""
#: Where each field of each type is found.
_Paths = dict[tuple[type, str], list[str]]


def text() -> str:
    """The page, as Markdown."""
    parts, seen = [_INTRODUCTION], set[type]()
    for root in (StageSet, StageInventory, StageLedger):
        node, paths = schema.of(root), _Paths()
        _collect(node, "", paths)
        parts += _sections(node, paths, seen=seen)
    return "\n".join(parts)


def _collect(node: Node, path: str, paths: _Paths) -> None:
    inner = node.item if node.kind == "array" else node
    at = path + "[]" if node.kind == "array" else path
    if inner is None or inner.struct in (None, ObjectMeta):
        return
    for name, part in inner.fields.items():
        here = f"{at}.{name}" if at else name
        assert inner.struct is not None
        paths.setdefault((inner.struct, name), []).append(here)
        _collect(part.node, here, paths)


def _sections(node: Node, paths: _Paths, *, seen: set[type]) -> Iterator[str]:
    """One section a type, in the order in which a reader meets them."""
    inner = node.item if node.kind == "array" else node
    if inner is None or inner.struct is None or inner.struct in seen or inner.struct is ObjectMeta:
        return
    seen.add(inner.struct)
    yield _section(inner, paths)
    for part in inner.fields.values():
        yield from _sections(part.node, paths, seen=seen)


def _section(node: Node, paths: _Paths) -> str:
    assert node.struct is not None
    meaning = (node.struct.__doc__ or "").strip()
    lines = [f"## {node.struct.__name__}", "", meaning, ""]
    lines += ["| field | type | default | supported | meaning |", "|---|---|---|---|---|"]
    for name, part in node.fields.items():
        supported = _support(paths[node.struct, name])
        lines.append(
            f"| `{name}` | {_type(part.node)} | {_default(part)} | {supported} | {_cell(part.node.description)} |"
        )
    return "\n".join([*lines, ""])


def _type(node: Node) -> str:
    if node.kind == "array" and node.item is not None:
        return f"list of {_type(node.item)}"
    if node.kind == "map":
        return "map of strings"
    if node.struct is ObjectMeta:
        return "`metadata`"
    if node.struct is not None:
        return f"[{node.struct.__name__}](#{node.struct.__name__.lower()})"
    if node.enum:
        return ", ".join(f"`{value}`" for value in node.enum)
    limits = [
        f"{word} {limit}" for word, limit in (("at least", node.least), ("at most", node.most)) if limit is not None
    ]
    kind = node.form or str(node.keywords.get("format", node.kind))
    return ", ".join([f"`{kind}`", *(limits if node.kind == "integer" else [])])


def _default(part: Field) -> str:
    if part.required:
        return "**required**"
    return _cell(part.node.effective) or "none"


def _support(paths: list[str]) -> str:
    found = [not_yet(path) for path in paths if path.startswith("spec")]
    refused = [feature for feature in found if feature is not None]
    if not found:
        return "—"
    if not refused:
        return "yes"
    if len(refused) < len(found):
        return "where its owner is"
    return _refused(refused[0])


def _refused(feature: NotYet) -> str:
    return ", ".join(f"`{value}`" for value in feature.values) + " not yet" if feature.values else "not yet"


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
