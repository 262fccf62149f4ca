"""Label and field selectors in kubectl's string form.

Pure. Field selectors know the fields that the API supports for the kind; another one is an error, as there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Object = Mapping[str, Any]
Match = Callable[[Object], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_EQUALS = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")

#: Fields that may be selected by, beside `metadata.name` and `metadata.namespace`.
FIELDS: dict[str, tuple[str, ...]] = {
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type",
    ),
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
             "status.podIP"),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "jobs": ("status.successful",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
}  # fmt: skip


def labels(text: str) -> Match:
    """A predicate on objects. Raises ValueError with the API's sentence when the selector cannot be parsed."""
    tests = [_label_test(part) for part in _split(text)]
    return lambda obj: all(test(obj.get("metadata", {}).get("labels") or {}) for test in tests)


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _label_test(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EQUALS.match(part):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _EXISTS.match(part):
        key, absent = found["key"], bool(found["not"])
        return lambda have: (key in have) != absent
    raise ValueError(f"unable to parse requirement: {part!r} is not a label selector requirement")


def of_selector(selector: Mapping[str, Any] | None) -> Match:
    """A predicate from a `LabelSelector` object; an empty one matches everything, None nothing."""
    if selector is None:
        return lambda obj: False
    wanted = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or ():
        values = ",".join(term.get("values") or ())
        operator = term["operator"]
        words = {"In": f"{term['key']} in ({values})", "NotIn": f"{term['key']} notin ({values})"}
        wanted.append(words.get(operator, term["key"] if operator == "Exists" else f"!{term['key']}"))
    return labels(",".join(wanted))


def fields(text: str, plural: str) -> Match:
    """A predicate on objects of a kind. Raises ValueError with the API's sentence for an unsupported field."""
    tests: list[tuple[str, str, bool]] = []
    for part in _split(text):
        found = _EQUALS.match(part)
        if not found:
            raise ValueError(f"invalid selector: '{part}'; can't understand '{part}'")
        if found["key"] not in ("metadata.name", "metadata.namespace", *FIELDS.get(plural, ())):
            raise ValueError(_unknown_field(found["key"], plural))
        tests.append((found["key"], found["value"], found["op"] != "!="))
    return lambda obj: all((_field(obj, key) == value) is wanted for key, value, wanted in tests)


def _unknown_field(key: str, plural: str) -> str:
    """The API's two sentences: kinds with selectable fields of their own have the shorter one."""
    if plural in FIELDS:
        return f"field label not supported: {key}"
    return f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, Mapping):
        return str(value.get("component", ""))
    return "" if value is None else str(value)
