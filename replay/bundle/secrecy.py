"""Finds what must not leave: Secret manifests spelled out in artifacts, specs and payloads, and their values elsewhere.

Two lines of defence: a blob with a Secret's plain data is left out whole, and its values are then looked for in all
that is exported. Rule: in doubt a blob is left out. No value is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from reconciler.compute.redaction import Redactor
from reconciler.compute.tarstream import ArchiveLimits, Inflated, entries, padded, shown
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

#: Shorter values are not looked for: words such as `postgres` stand in names, and would refuse every export.
VALUE_BYTES_MIN = 9
#: An artifact that inflates to more is not looked through.
_LIMITS = ArchiveLimits(inflated_bytes_max=128 * 1024 * 1024)
_TOKEN = "secret:"  # noqa: S105 (what tokens begin with)
_FIELDS = ("data", "stringData")
# What only a Secret has, or what makes one: for text that is no YAML, or YAML inside of strings.
_SUSPICIOUS = re.compile(r"secretGenerator|stringData|kind[\"']?\s*:\s*[\"']?Secret\b")
_MANIFEST = re.compile(r"\.(ya?ml|json)$|(^|/)kustomization$", re.IGNORECASE)


class Finding(NamedTuple):
    """What was found in one blob."""

    #: a sentence why it is left out; empty where it may go
    why: str
    #: values that must not be anywhere else
    values: frozenset[str]
    #: all that it holds, for the search
    text: str


def in_artifact(data: bytes) -> Finding:
    """Look through an artifact's files."""
    try:
        stream = Inflated(data, limits=_LIMITS)
        found = [(entry.name, stream.read(padded(entry.size))[: entry.size]) for entry in entries(stream, _LIMITS)]
        stream.drain()
    except OperationError as error:
        return Finding(f"it could not be looked through for secrets: {error.message}", frozenset(), "")
    look = _Look()
    for name, content in found:
        _in_file(look, name, content)
    for name, content in found:
        if any(name == taken or name.endswith("/" + taken) for taken in look.files):
            look.values.update(_taken(content))
    text = "\n".join(f"{name}\n{content.decode('latin-1')}" for name, content in found)
    return Finding(look.why, frozenset(look.values), text)


def in_text(data: bytes) -> Finding:
    """Look through a recorded form: JSON in which a Secret's values are tokens."""
    look = _Look()
    try:
        look.at(msgspec.json.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        look.why = "it is no JSON that could be looked through for secrets"
    return Finding(look.why, frozenset(look.values), data.decode("latin-1"))


def in_value(value: Any) -> frozenset[str]:
    """The values of Secrets that are spelled out in a spec."""
    look = _Look()
    look.at(value)
    return frozenset(look.values)


class Search:
    """Looks for values in what is exported, raw and in base64, URL, JSON and hex form."""

    def __init__(self, values: Iterable[str]) -> None:
        wanted = sorted(value for value in values if len(value.strip().encode()) >= VALUE_BYTES_MIN)
        self._redactor = Redactor(wanted)
        # Texts were decoded byte for byte, so that nothing in them is missed.
        self._bytewise = Redactor([value.encode().decode("latin-1") for value in wanted])

    def finds(self, text: str) -> bool:
        return self._redactor.finds(text) or self._bytewise.finds(text)


def _in_file(look: _Look, name: str, content: bytes) -> None:
    is_manifest = _MANIFEST.search(name) is not None
    look.place = shown(name)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # Text in another encoding is read by some tools and not by us.
        if is_manifest:
            look.found("is not UTF-8")
        return
    look.at_text(text, strict=is_manifest)


class _Look:
    """Walks values for Secrets that are spelled out."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        #: what was found first, and where; empty: nothing
        self.why = ""
        self.place = "it"
        #: paths of the files that generators take values from
        self.files: set[str] = set()

    def found(self, what: str) -> None:
        self.why = self.why or f"{self.place} {what}"

    def at_text(self, text: str, *, strict: bool) -> None:
        suspicious = _SUSPICIOUS.search(text) is not None
        if not suspicious and not strict:
            return
        try:
            values = [document.value for document in documents(text)]
        except YAMLProblem:
            if suspicious:
                self.found("is no YAML and speaks of a Secret")
            return
        for value in values:
            self.at(value)

    def at(self, value: Any) -> None:
        match value:
            case dict():
                self._mapping(value)
                for inner in value.values():
                    self.at(inner)
            case list():
                for inner in value:
                    self.at(inner)
            case str() if "\n" in value and _SUSPICIOUS.search(value):
                self.at_text(value, strict=True)

    def _mapping(self, value: dict[str, Any]) -> None:
        if value.get("kind") == "Secret" or "stringData" in value:
            for field in _FIELDS:
                self._data(value.get(field))
        if value.get("secretGenerator"):
            self.found("has a secretGenerator")
            self._generators(value["secretGenerator"])
        target = value.get("target")
        if isinstance(target, dict) and "patch" in value and target.get("kind") in (None, "", "Secret"):
            self._patch(value["patch"])

    def _data(self, data: Any) -> None:
        if data is None or data == {}:
            return
        plain = [item for item in _leaves(data) if not item.startswith(_TOKEN)]
        if plain:
            self.found("has a Secret with plain data")
            self.values.update(form for item in plain for form in _decoded(item))

    def _generators(self, generators: Any) -> None:
        for text in _leaves(generators):
            name, _, value = text.partition("=")
            self.values.add(value)
            self.files.add((value or name).removeprefix("./"))

    def _patch(self, patch: Any) -> None:
        """A patch that may change a Secret: what it sets below its data."""
        try:
            found = [document.value for document in documents(patch)] if isinstance(patch, str) else [patch]
        except YAMLProblem:
            return
        for operation in found[0] if found and isinstance(found[0], list) else ():
            path = str(operation.get("path", "")) if isinstance(operation, dict) else ""
            if path.startswith(("/data", "/stringData")):
                self._data(operation.get("value"))


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for inner in value.values():
                yield from _leaves(inner)
        case list():
            for inner in value:
                yield from _leaves(inner)
        case None | True | False:
            return
        case _:
            yield str(value)


def _decoded(text: str) -> Iterator[str]:
    yield text
    try:
        yield base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return


def _taken(content: bytes) -> Iterator[str]:
    """A file that a generator takes: as one value, and as lines `NAME=value`."""
    text = content.decode("utf-8", "replace")
    yield text
    for line in text.splitlines():
        yield line.partition("=")[2].strip().strip("'\"")
