"""Finds Secrets that are spelled out in manifests, patches and kustomizations, and puts stand-ins in place of values.

Not a judge of what leaves. Rules: what may be the value of a Secret counts as one; a ConfigMap's is none; equal values
get equal stand-ins, whose kinds are those that inputs are recorded with. No value is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from reconciler.compute.inputs import kind_of, stand_in
from reconciler.compute.yamldoc import YAMLProblem, documents, resolve_plain

_TOKEN = "secret:"  # noqa: S105 (what tokens begin with)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# What only a Secret has, or what makes one: for text that is no YAML, or YAML inside of strings.
SUSPICIOUS = re.compile(r"secretGenerator|stringData|kind[\"']?\s*:\s*[\"']?Secret(List)?\b")
#: A variable of a substitution, which is a name and no value.
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


class Taken(NamedTuple):
    """A file that a generator or a patch takes."""

    name: str
    #: value, lines (`NAME=value`), or patch
    form: str


class Spelled:
    """Walks values; `replaced` gives each with stand-ins. What was found is kept over all of them."""

    def __init__(self, *, tokens: bool = False) -> None:
        #: values of Secrets, encoded and decoded
        self.values: set[str] = set()
        #: what was found first, and where; empty: nothing
        self.why = ""
        #: why stand-ins cannot help, first of all; empty: they can
        self.doubt = ""
        self.place = "it"
        #: name of the file that is walked
        self.name = ""
        self.taken: set[Taken] = set()
        #: whether a Secret is generated
        self.generates = False
        # In a recorded form a value is a token already.
        self._tokens = tokens
        self._numbers: dict[str, int] = {}

    def found(self, what: str) -> None:
        self.why = self.why or f"{self.place} {what}"

    def doubted(self, what: str) -> None:
        self.found(what)
        self.doubt = self.doubt or f"{self.place} {what}"

    def replaced(self, value: Any) -> Any:
        match value:
            case dict():
                return self._mapping(value)
            case list():
                return [self.replaced(inner) for inner in value]
            # In one line only braces hold more than a name.
            case str() if ("\n" in value or "{" in value) and SUSPICIOUS.search(value):
                return self._inside(value)
        return value

    # ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _inside(self, text: str, change: Callable[[Any], Any] | None = None) -> str:
        """A manifest inside of a string."""
        try:
            before = [document.value for document in documents(text)]
        except YAMLProblem:
            self.doubted("has a text that is no YAML and speaks of a Secret")
            return text
        after = [(change or self.replaced)(value) for value in before]
        return text if after == before else dumped(after)

    # ── mappings ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _mapping(self, value: dict[str, Any]) -> dict[str, Any]:
        made = {key: self._field(key, inner) for key, inner in value.items()}
        if value.get("kind") == "Secret" or "stringData" in value:
            made |= self.secret(value)
        if value.get("kind") == "SecretList" and isinstance(value.get("items"), list):
            made["items"] = [self._item(item) for item in value["items"]]
        if value.get("secretGenerator"):
            self.found("has a secretGenerator")
            self.generates = True
            made["secretGenerator"] = self._generators(value["secretGenerator"])
        target = value.get("target")
        if isinstance(target, dict) and _may_be_secret(target.get("kind")):
            made |= self._patch(value)
        return made

    def _field(self, key: str, inner: Any) -> Any:
        if key == _LAST_APPLIED and isinstance(inner, str):
            return self._inside(inner)
        return self.replaced(inner)

    def _item(self, item: Any) -> Any:
        return {**self._mapping(item), **self.secret(item)} if isinstance(item, dict) else item

    def secret(self, value: dict[str, Any]) -> dict[str, Any]:
        """The fields of a Secret that hold its values, replaced."""
        made = {}
        for field in ("data", "stringData"):
            if value.get(field):
                made[field] = self._data(value[field], is_encoded=field == "data")
        return made

    def _data(self, data: Any, *, is_encoded: bool) -> Any:
        match data:
            case dict():
                return {key: self._data(inner, is_encoded=is_encoded) for key, inner in data.items()}
            case list():
                return [self._data(inner, is_encoded=is_encoded) for inner in data]
            case None:
                return None
        if self._tokens and isinstance(data, str) and data.startswith(_TOKEN):
            return data
        made = self.stand_in(data, is_encoded=is_encoded)
        if made != data:
            self.found("has a Secret with plain data")
        return made

    # ── kustomizations ───────────────────────────────────────────────────────────────────────────────────────────

    def _generators(self, generators: Any) -> Any:
        if not isinstance(generators, list):
            self.doubted("has a secretGenerator that is no list")
            return generators
        return [self._generator(one) if isinstance(one, dict) else one for one in generators]

    def _generator(self, one: dict[str, Any]) -> dict[str, Any]:
        for path in _texts(one.get("files")):
            self._take(path.partition("=")[2] or path, "value")
        for path in (*_texts(one.get("envs")), *_texts(one.get("env"))):
            self._take(path, "lines")
        if not one.get("literals"):
            return one
        return {**one, "literals": [self.pair(text) for text in _texts(one["literals"])]}

    def pair(self, text: str) -> str:
        """`NAME=value` with a stand-in; kustomize takes quotes around the value away."""
        name, found, value = text.partition("=")
        if not found:
            return text
        bare = value.strip().strip("'\"")
        if bare != value:
            self.values.add(value)
        return f"{name}={self.stand_in(bare, is_encoded=False)}"

    def _take(self, path: str, form: str) -> None:
        self.taken.add(Taken(posixpath.normpath(posixpath.join(posixpath.dirname(self.name), path)), form))

    def _patch(self, value: dict[str, Any]) -> dict[str, Any]:
        """An entry of `patches` that may change a Secret: its patch, inline or in a file."""
        if isinstance(value.get("path"), str):
            self._take(value["path"], "patch")
        patch = value.get("patch")
        if isinstance(patch, str):
            return {"patch": self._inside(patch, self.patched)}
        return {"patch": self.patched(patch)} if patch is not None else {}

    def patched(self, patch: Any) -> Any:
        """A patch of a Secret, strategic merge or JSON (RFC 6902), with stand-ins for what it sets."""
        if isinstance(patch, dict):
            mine = {} if patch.get("kind") not in (None, "", "Secret") else self.secret(patch)
            return {**self._mapping(patch), **mine}
        if isinstance(patch, list):
            return [self._operation(one) if isinstance(one, dict) else one for one in patch]
        return patch

    def _operation(self, one: dict[str, Any]) -> dict[str, Any]:
        path = str(one.get("path", ""))
        if "value" not in one:
            return one
        if path == "":
            return {**one, "value": self.patched(one["value"])}
        if path.startswith(("/data", "/stringData")):
            return {**one, "value": self._data(one["value"], is_encoded=path.startswith("/data"))}
        return {**one, "value": self.replaced(one["value"])}

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────

    def stand_in(self, value: Any, *, is_encoded: bool) -> Any:
        """A value of the same kind as a Secret's, which says nothing of it. Names of variables stay."""
        if value is None or isinstance(value, dict | list) or value == "":
            return value
        text = value if isinstance(value, str) else json.dumps(value)
        variables = "".join(_VARIABLE.findall(text))
        if variables == text:
            return value
        self.values.update(_decoded(text) if is_encoded else (text,))
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        if is_encoded and not variables:
            return stand_in(kind_of(text), number)
        encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
        made = base64.b64decode(stand_in(kind_of(encoded), number)).decode("latin-1") + variables
        return made if isinstance(value, str) else resolve_plain(made)

    def content(self, data: bytes) -> bytes:
        """What stands for a file that is a value."""
        self.values.update({data.decode("utf-8", "replace"), base64.b64encode(data).decode()})
        number = self._numbers.setdefault(data.decode("latin-1"), len(self._numbers) + 1)
        return base64.b64decode(stand_in(kind_of(base64.b64encode(data).decode()), number))

    def lines(self, data: bytes) -> bytes:
        """What stands for a file of `NAME=value`: names and stand-ins."""
        kept = (line for line in data.decode("utf-8", "replace").splitlines() if "=" in line)
        return "".join(f"{self.pair(line.strip())}\n" for line in kept if not line.lstrip().startswith("#")).encode()


def dumped(values: list[Any]) -> str:
    """Documents as text: JSON, which is YAML, and says the same to every reader. Comments are gone."""
    return "---\n".join(f"{json.dumps(value)}\n" for value in values)


def _may_be_secret(kind: Any) -> bool:
    """Whether the target of a patch may be a Secret: kustomize takes it as a regular expression, none as any."""
    if not kind or not isinstance(kind, str) or len(kind) > 100:
        return True
    try:
        return re.fullmatch(kind, "Secret") is not None
    except re.error:
        return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))


def _decoded(text: str) -> Iterator[str]:
    yield text
    try:
        yield base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return
