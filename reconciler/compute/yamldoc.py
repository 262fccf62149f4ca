"""YAML text to JSON-compatible values by the rules that Kubernetes tools read it with.

Not a general YAML library: scalars follow YAML 1.1 as Go's `yaml.v2` resolves them (which `sigs.k8s.io/yaml` and so
kubectl, kustomize and Flux use), everything ends up as JSON types. Invariant: hostile text (deep nesting, alias
bombs) ends in a `YAMLProblem` with a position, never in a crash. Built on libyaml's events, because its composer
recurses in C without limit.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

DEPTH_MAX = 200
#: Values built from one text, aliases counted each time they are used.
NODES_MAX = 2_000_000

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
_NOT_JSON = frozenset(f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF")) | {
    ".nan",
    ".NaN",
    ".NAN",
}
_NUMERIC_START = frozenset("0123456789+-.")
_STRING_TAGS = frozenset(("!", "tag:yaml.org,2002:str"))
_SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "timestamp"))
_COLLECTION_TAGS = frozenset((None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
_MERGE = object()


class YAMLProblem(ValueError):
    """The text is not YAML that can become JSON. `line` and `column` count from 1; `problem` quotes no value of the
    text.
    """

    def __init__(self, problem: str, *, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.problem, self.line, self.column = problem, line, column


class Document(NamedTuple):
    """One document of a stream: its number from 1, the line (from 1) of its first value, and the value."""

    number: int
    line: int
    value: Any


def resolve_plain(text: str) -> Any:
    """The value of a plain scalar: bool, null, int or float where `yaml.v2` sees one, else the text itself.

    Base-60 numbers and timestamps stay text, as `sigs.k8s.io/yaml` keeps them. A float without a fraction becomes
    an int, because Go writes it to JSON without one. Raises `ValueError` for infinities and NaN, which JSON cannot
    hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START:
        return text
    if text in _NOT_JSON:
        raise ValueError("infinities and NaN cannot be written as JSON; quote the value")
    return _number(text)


def _number(text: str) -> Any:
    plain = text.replace("_", "")
    if len(plain) > 400:
        return text
    if _INT.fullmatch(plain):
        value = _integer(plain)
        if -(2**63) <= value < 2**64:
            return value
        return float(value)
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if number.is_integer() and abs(number) < 2**63:
            return int(number)
        return number if abs(number) != float("inf") else text
    return text


def _integer(plain: str) -> int:
    sign = -1 if plain[0] == "-" else 1
    digits = plain.lstrip("+-").lower()
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def documents(text: str) -> list[Document]:
    """All documents of a stream, empty ones included (their value is None). Raises `YAMLProblem`."""
    try:
        return list(_documents(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YAMLProblem(_unquoted(error.problem or "not YAML"), line=line, column=column) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YAMLProblem("a character that YAML does not allow", line=line, column=1) from None


def _unquoted(problem: str) -> str:
    """libyaml's words; what they quote is left out unless it is punctuation, for it may come from a Secret."""
    if "alphabetic or numeric" in problem:
        return "a plain value that starts with '*' or '&' and is no alias or anchor: quote the value"
    return re.sub(r"(['\"])(.*?)\1", lambda quoted: "…" if re.search(r"\w", quoted[2]) else quoted[0], problem)


def _documents(text: str) -> Iterator[Document]:
    builder = _Builder()
    number = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        kind = type(event)
        if kind is yaml.DocumentStartEvent:
            number += 1
            builder = _Builder()
        elif kind is yaml.DocumentEndEvent:
            yield Document(number, builder.line, builder.root)
        elif kind is not yaml.StreamStartEvent and kind is not yaml.StreamEndEvent:
            builder.add(event, kind)


class _Frame:
    """A collection that is still open: its value, its anchor, the key that waits for a value, and what to merge."""

    __slots__ = ("anchor", "is_map", "key", "merges", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.is_map = type(value) is dict
        self.key: Any = None
        self.merges: list[dict[str, Any]] = []

    def merged(self) -> Any:
        """The value once closed: own keys win over merged ones, earlier merges over later (YAML 1.1 merge type)."""
        for source in self.merges:
            for key, value in source.items():
                self.value.setdefault(key, value)
        return self.value


class _Builder:
    """Builds one document's value from its events with an explicit stack."""

    def __init__(self) -> None:
        self._nodes = 0
        self.root: Any = None
        self.line = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Any] = {}

    def add(self, event: Any, kind: type) -> None:
        if not self.line:
            self.line = event.start_mark.line + 1
        top = self._stack[-1] if self._stack else None
        if kind is yaml.ScalarEvent:
            value = _scalar(event, key=top is not None and top.is_map and top.key is None)
            if event.anchor:
                self._anchors[event.anchor] = value
            self._put(top, value, event)
        elif kind is yaml.MappingStartEvent:
            self._open(top, {}, event)
        elif kind is yaml.SequenceStartEvent:
            self._open(top, [], event)
        elif kind is yaml.AliasEvent:
            self._put(top, self._alias(event), event)
        else:
            self._close(event)

    def _open(self, top: _Frame | None, value: Any, event: Any) -> None:
        if event.tag not in _COLLECTION_TAGS:
            raise _problem(event, "a tag that Kubernetes manifests do not use")
        if top is not None and top.is_map and top.key is None:
            raise _problem(event, "a mapping key must be a string")
        if len(self._stack) >= DEPTH_MAX:
            raise _problem(event, f"nested deeper than {DEPTH_MAX} levels")
        self._stack.append(_Frame(value, event.anchor))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        value = frame.merged() if frame.merges else frame.value
        if frame.anchor:
            self._anchors[frame.anchor] = value
        self._put(self._stack[-1] if self._stack else None, value, event)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _problem(event, "an alias (a plain value that starts with '*') without its anchor; quote the value")
        target = self._anchors[event.anchor]
        self._nodes += _count(target, budget=NODES_MAX - self._nodes)
        self._check_budget(event)
        return copy.deepcopy(target)

    def _check_budget(self, event: Any) -> None:
        if self._nodes > NODES_MAX:
            raise _problem(event, f"more than {NODES_MAX} values, aliases counted each time")

    def _put(self, top: _Frame | None, value: Any, event: Any) -> None:
        self._nodes += 1
        if top is None:
            self.root = value
        elif not top.is_map:
            top.value.append(value)
        elif top.key is None:
            self._check_budget(event)
            top.key = _MERGE if value is _MERGE else _key(value, event)
            if top.key in top.value:
                raise _problem(event, "a mapping key that the same mapping already has")
        elif top.key is _MERGE:
            top.merges.extend(_mergeable(value, event))
            top.key = None
        else:
            top.value[top.key] = value
            top.key = None


def _mergeable(value: Any, event: Any) -> list[dict[str, Any]]:
    sources = value if type(value) is list else [value]
    if all(type(source) is dict for source in sources):
        return sources
    raise _problem(event, "a merge key ('<<') needs a mapping or a list of mappings")


def _count(value: Any, *, budget: int) -> int:
    """Values inside, stopping once past the budget."""
    total, todo = 0, [value]
    while todo and total <= budget:
        item = todo.pop()
        total += 1
        if type(item) is dict:
            todo.extend(item.values())
        elif type(item) is list:
            todo.extend(item)
    return total


def _problem(event: Any, problem: str) -> YAMLProblem:
    return YAMLProblem(problem, line=event.start_mark.line + 1, column=event.start_mark.column + 1)


def _key(value: Any, event: Any) -> str:
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    raise _problem(event, "a mapping key must be a string")


def _scalar(event: Any, *, key: bool) -> Any:
    tag, value = event.tag, event.value
    if event.implicit[0] and tag is None:
        if key and value == "<<":
            return _MERGE
        try:
            return resolve_plain(value)
        except ValueError as error:
            raise _problem(event, str(error)) from None
    if tag is None or tag in _STRING_TAGS:
        return value
    if tag in _SCALAR_TAGS:
        return resolve_plain(value)
    raise _problem(event, "a tag that Kubernetes manifests do not use")
