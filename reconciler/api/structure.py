"""Whether a raw object has the shape of its type: every field known, present, of the right kind and within its limits.

Not the rules between fields. Invariant: an object without a problem here decodes; one that does not decode has a
problem here. All problems are found, not only the first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.api import duration, instant
from reconciler.api.problems import Problem, one_of, quoted
from reconciler.api.schema import Field, Node

_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "map": "a map of strings",
    "object": "an object",
}
_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


def problems(value: Any, node: Node, *, path: str) -> Iterator[Problem]:
    """What is wrong with the shape of `value`; `path` is where it stands. `null` counts as absent, as for the API."""
    if not _is(value, node.kind):
        yield Problem(path, f"must be {_WORDS[node.kind]}, not {_found(value)}{_remedy(value, node)}")
    elif node.kind == "object":
        yield from _object(value, node, path=path)
    elif node.kind == "array":
        yield from _array(value, node, path=path)
    elif node.kind == "map":
        yield from _map(value, node, path=path)
    elif node.kind == "string":
        yield from _string(value, node, path=path)
    elif node.kind == "integer":
        yield from _integer(value, node, path=path)


def unknown(value: Any, node: Node, *, path: str) -> Iterator[Problem]:
    """Fields that the type does not have, wherever they are; the API server drops them, a file must not have them."""
    if node.kind == "object" and isinstance(value, Mapping):
        for name, part in value.items():
            at = join(path, name)
            if name in node.fields:
                yield from unknown(part, node.fields[name].node, path=at)
            elif isinstance(name, str):
                yield Problem(at, _unknown_message(name, list(node.fields)))
    elif node.kind == "array" and isinstance(value, list | tuple) and node.item is not None:
        for index, item in enumerate(value):
            yield from unknown(item, node.item, path=f"{path}[{index}]")


def without_nulls(value: Any) -> Any:
    """The object without fields that are null: the API server treats them as absent (KEP-2885)."""
    if isinstance(value, Mapping):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def join(path: str, name: Any) -> str:
    """`path.name`, or `path["na.me"]` where the name is not a plain word."""
    text = str(name)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", text):
        return f'{path}["{text}"]'
    return f"{path}.{text}" if path else text


def _object(value: Mapping[Any, Any], node: Node, *, path: str) -> Iterator[Problem]:
    for name in value:
        if not isinstance(name, str):
            yield _key_problem(name, path=path)
    for name, part in node.fields.items():
        found = value.get(name)
        if found is not None:
            yield from problems(found, part.node, path=join(path, name))
        elif part.required:
            yield Problem(join(path, name), _required_message(part))


def _array(value: list[Any], node: Node, *, path: str) -> Iterator[Problem]:
    if node.least is not None and len(value) < node.least:
        yield Problem(path, f"must have at least {node.least} item{'s' if node.least > 1 else ''}; add one")
    for index, item in enumerate(value):
        if node.item is not None:
            yield from problems(item, node.item, path=f"{path}[{index}]")


def _map(value: Mapping[Any, Any], node: Node, *, path: str) -> Iterator[Problem]:
    for name, item in value.items():
        if not isinstance(name, str):
            yield _key_problem(name, path=path)
        elif item is not None and node.item is not None:
            yield from problems(item, node.item, path=join(path, name))


def _key_problem(name: Any, *, path: str) -> Problem:
    """YAML reads `1:` and `on:` as a number and a boolean."""
    return Problem(path or "the object", f"must have strings as keys, not {_found(name)}; put the key in quotes")


def _string(value: str, node: Node, *, path: str) -> Iterator[Problem]:
    if node.form == "duration":
        try:
            duration.parse(value)
        except duration.DurationError as error:
            yield Problem(path, str(error))
    elif node.form == "time":
        if not instant.is_valid(value):
            yield Problem(path, f"must be an RFC 3339 time such as 2006-01-02T15:04:05Z, not {quoted(value)}")
    elif node.enum and value not in node.enum:
        yield Problem(path, f"must be {one_of(node.enum)}, not {quoted(value)}{_nearest(value, list(node.enum))}")
    elif node.least is not None and len(value) < node.least:
        yield Problem(path, "must not be empty")
    elif node.pattern and ("\n" in value or not re.search(node.pattern, value)):
        yield Problem(path, f"must consist of {node.expects}, not {quoted(value)}")
    elif node.most is not None and len(value) > node.most:
        yield Problem(path, f"must not be longer than {node.most} characters, but has {len(value)}; shorten it")


def _integer(value: int, node: Node, *, path: str) -> Iterator[Problem]:
    low, high = _RANGES[node.keywords.get("format", "int64")]
    least = low if node.least is None else node.least
    most = high if node.most is None else node.most
    if not least <= value <= most:
        yield Problem(path, f"must be between {least} and {most}, not {value}")


def _is(value: Any, kind: str) -> bool:
    if kind in ("object", "map"):
        return isinstance(value, Mapping)
    if kind == "array":
        return isinstance(value, list | tuple)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if kind == "string" else bool)


def _found(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the string {quoted(value)}"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"the {type(value).__name__} {quoted(str(value))}"


def _remedy(value: Any, node: Node) -> str:
    if node.kind == "string" and not isinstance(value, Mapping | list | tuple):
        return "; put it in quotes"
    if node.kind in ("boolean", "integer") and isinstance(value, str):
        return "; write it without quotes"
    return ""


def _required_message(part: Field) -> str:
    meaning = part.node.description.rstrip(".")
    return f"is required ({meaning[:1].lower()}{meaning[1:]}); add it"


def _unknown_message(name: str, names: list[str]) -> str:
    return f"is not a field of this API{_nearest(name, names)}; correct its name or remove it"


def _nearest(word: str, words: list[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in words}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1)
    return f" (did you mean {by_lower[found[0]]}?)" if found else ""
