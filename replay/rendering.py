"""Objects as people read them: YAML, line by line, and what differs between two of them.

Values of Secrets are tokens in a record; should one stand there plainly all the same, it is not shown.
"""

from __future__ import annotations

import difflib
from typing import Any, NamedTuple

import yaml

from replay.payloads import Object

#: Longer texts of one object are cut, in lines.
LINES_MAX = 2_000
_TOKEN = "secret:"  # noqa: S105 (what tokens begin with)
HIDDEN = "(a plain value, not shown)"
#: As the builder of libyaml is: what is nested deeper is no manifest.
_DEPTH_MAX = 100


class Shown(NamedTuple):
    """One object: its name for people, and its text."""

    name: str
    lines: tuple[str, ...]


def named(obj: Object) -> str:
    """`Kind namespace/name` of an object, or of what claims to be one."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    kind, name = (str(one) for one in (obj.get("kind", "?"), metadata.get("name", "?")))
    namespace = metadata.get("namespace", "")
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def identity(obj: Object) -> str:
    """What tells two objects of one set apart: kind, group, namespace and name."""
    group, _, _ = str(obj.get("apiVersion", "")).rpartition("/")
    return f"{named(obj)} {group}".rstrip()


def text(obj: Object) -> tuple[str, ...]:
    """An object in YAML, secret leaves as tokens, line by line."""
    try:
        return lines(_hidden(obj))
    except RecursionError:
        return ("(nested too deep to be shown)",)


def lines(value: Any) -> tuple[str, ...]:
    """Any value in YAML, cut after `LINES_MAX` lines. Raises `RecursionError` for what is nested too deep."""
    _check_depth(value, 0)
    try:
        made = yaml.dump(value, Dumper=yaml.CSafeDumper, default_flow_style=False, allow_unicode=True, width=1_000)
    except UnicodeEncodeError:
        return ("(it has halves of characters, and cannot be shown)",)
    found = made.rstrip("\n").split("\n")
    if len(found) > LINES_MAX:
        found = [*found[:LINES_MAX], f"… {len(found) - LINES_MAX} more lines"]
    return tuple(found)


def diff(before: tuple[str, ...], after: tuple[str, ...]) -> tuple[str, ...]:
    """A unified diff of two texts, without the lines that name files; empty where they are the same."""
    found = difflib.unified_diff(before, after, lineterm="", n=3)
    return tuple(line for at, line in enumerate(found) if at >= 2)


def by_identity(objects: list[Object]) -> dict[str, Object]:
    """Objects by what tells them apart, in the order of their names."""
    return {identity(one): one for one in sorted(objects, key=identity)}


def _check_depth(value: Any, depth: int) -> None:
    if depth > _DEPTH_MAX:
        raise RecursionError
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, depth + 1)


def _hidden(obj: Object) -> Object:
    if obj.get("kind") != "Secret":
        return obj
    return {key: _leaves(value) if key in ("data", "stringData") else value for key, value in obj.items()}


def _leaves(value: Any) -> Any:
    match value:
        case dict():
            return {key: _leaves(inner) for key, inner in value.items()}
        case list():
            return [_leaves(inner) for inner in value]
        case None:
            return None
        case str() if value.startswith(_TOKEN):
            return value
        case _:
            return HIDDEN
