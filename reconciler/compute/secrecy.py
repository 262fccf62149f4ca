"""Build once, substitute twice: objects for the wire with real values, objects for the record with tokens (DESIGN §6).

The same text is substituted with the real values and with stand-ins of the same shape; a leaf that differs depends
on a Secret and is recorded as a token. Data of Secret objects is a token always. Invariant: an object whose shape
depends on a Secret is recorded as withheld, never guessed at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from reconciler.compute.manifests import Manifest, Object, canonical, parse_located, reference
from reconciler.compute.redaction import Redactor
from reconciler.compute.shadows import Segment, segments
from reconciler.compute.substitution import substitute
from reconciler.compute.yamldoc import resolve_plain
from reconciler.errors import OperationError

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PREFIX = "secret:"
SPELLED_LENGTH_MIN = 9


class Variable(NamedTuple):
    """A substitution variable. `source` names the Secret, its version and key (`Secret/ns/name.key@version`), empty
    when the value is not secret.
    """

    value: str
    source: str = ""


class Rendered(NamedTuple):
    """One object for the wire and what is recorded of it.

    `secret_paths` are JSON pointers (RFC 6901) of the leaves that are tokens. `withheld` is empty, or says why the
    record holds nothing but the object's kind and name.
    """

    wire: Object
    record: Object
    secret_paths: tuple[str, ...] = ()
    withheld: str = ""

    @property
    def identity_is_secret(self) -> bool:
        """Whether name or namespace come from a Secret: then the record cannot name the object."""
        metadata = self.record["metadata"]
        return any(str(metadata.get(field) or "").startswith(_PREFIX) for field in ("name", "namespace"))


def token(source: str, value: bytes, *, key: bytes) -> str:
    """What a record holds in place of a secret value: `secret:<source>#<keyed hash>`.

    The hash is HMAC-SHA-256 (RFC 2104), cut to 128 bits: equal values are seen to be equal by those who have the
    key, and guessed by nobody who has not.
    """
    keyed = hmac.new(key, b"secret/1\0" + value, hashlib.sha256).hexdigest()
    return f"{_PREFIX}{source}#{keyed[:32]}"


def render(text: str, variables: Mapping[str, Variable], *, key: bytes) -> list[Rendered]:
    """The objects of a rendered text after substitution, in its order, for the wire and for the record.

    `key` is the installation's, for tokens. Raises what `substitute` and `parse_located` raise, without secret
    values. A value that the artifact itself spells out is not secret here, except in the data of a Secret object.
    """
    real = {name: variable.value for name, variable in variables.items()}
    secrets = {name: variable for name, variable in variables.items() if variable.source and variable.value.strip()}
    tokens = _Tokens(secrets, key)
    try:
        manifests = parse_located(substitute(text, real))
    except OperationError as error:
        raise tokens.scrubbed(error) from None
    if not secrets:
        return [_unaffected(manifest.object, tokens) for manifest in manifests]
    return [
        rendered
        for segment in segments(text, real, secrets=[*secrets], manifests=manifests)
        for rendered in _segment(segment, tokens)
    ]


def spelled(found: Iterable[Rendered]) -> Iterator[str]:
    """The values of the Secrets among objects, to be taken out of what others say of them.

    Not those of fewer than `SPELLED_LENGTH_MIN` bytes: words such as `postgres` are user names too, and messages must
    go on naming objects.
    """
    for one in found:
        if (one.wire["apiVersion"], one.wire["kind"]) == ("v1", "Secret"):
            values = (value for raw in _spelled(one.wire) for value in _plain(raw))
            yield from (value for value in values if len(value.encode("utf-8", "replace")) >= SPELLED_LENGTH_MIN)


def _spelled(obj: Any) -> Iterator[str]:
    """Strings in the data of a Secret, and in the copy of it that `kubectl apply` keeps."""
    for field in ("data", "stringData"):
        if isinstance(obj.get(field), dict):
            yield from (value for value in obj[field].values() if isinstance(value, str))
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    kept = annotations.get(_LAST_APPLIED) if isinstance(annotations, dict) else None
    if isinstance(kept, str):
        yield kept
        with suppress(ValueError, RecursionError):
            before = json.loads(kept)
            yield from _spelled(before) if isinstance(before, dict) and _LAST_APPLIED not in kept else ()


def _plain(raw: str) -> Iterator[str]:
    """A value as it stands, and as it is once decoded."""
    yield raw
    with suppress(ValueError):
        yield base64.b64decode(raw, validate=True).decode()


def _segment(segment: Segment, tokens: _Tokens) -> list[Rendered]:
    if segment.unaffected:
        return [_unaffected(manifest.object, tokens) for manifest in segment.manifests]
    same: Sequence[Any] = segment.same or [None] * len(segment.manifests)
    other: Sequence[Any] = segment.other or [_ABSENT] * len(segment.manifests)
    return [
        _affected(manifest, (alike, different), template=segment.template, tokens=tokens)
        for manifest, alike, different in zip(segment.manifests, same, other, strict=True)
    ]


def _unaffected(obj: Object, tokens: _Tokens) -> Rendered:
    record, paths = _with_secret_data(obj, obj, tokens)
    return Rendered(obj, record, tuple(paths))


def _affected(manifest: Manifest, shadows: tuple[Any, Any], *, template: str, tokens: _Tokens) -> Rendered:
    obj, (alike, different) = manifest.object, shadows
    comparison = _Comparison(tokens)
    try:
        record = comparison.record(obj, alike, different, "")
    except _ShapeDiffers:
        why = "the shape of the object depends on a Secret"
        return Rendered(obj, _withheld(obj, template, tokens), withheld=why)
    record, paths = _with_secret_data(obj, record, tokens)
    return Rendered(obj, record, tuple(sorted({*comparison.paths, *paths})))


_ABSENT = object()


class _ShapeDiffers(Exception):
    """Under a stand-in the value is another mapping, a list of another length, or no leaf."""


class _Comparison:
    """Walks an object beside its shadows."""

    def __init__(self, tokens: _Tokens) -> None:
        self._tokens = tokens
        #: JSON pointers of the leaves that became tokens.
        self.paths: list[str] = []

    def record(self, value: Any, alike: Any, different: Any, path: str) -> Any:
        if isinstance(value, dict):
            _require(isinstance(alike, dict) and alike.keys() == value.keys())
            return {
                key: self.record(inner, alike[key], _child(different, value, key), f"{path}/{_escape(key)}")
                for key, inner in value.items()
            }
        if isinstance(value, list):
            _require(isinstance(alike, list) and len(alike) == len(value))
            return [
                self.record(inner, alike[at], _child(different, value, at), f"{path}/{at}")
                for at, inner in enumerate(value)
            ]
        _require(not isinstance(alike, dict | list))
        if _same(value, alike) and (different is _ABSENT or _same(value, different)):
            return value
        self.paths.append(path)
        return self._tokens.of_leaf(value)


def _child(shadow: Any, value: Any, key: Any) -> Any:
    """The shadow's child, or absent where it has another shape: only the shadow of the same shape must have that."""
    if type(shadow) is not type(value):
        return _ABSENT
    if isinstance(shadow, dict):
        return shadow.get(key, _ABSENT)
    return shadow[key] if len(shadow) == len(value) else _ABSENT


def _require(same_shape: bool) -> None:
    if not same_shape:
        raise _ShapeDiffers


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _withheld(obj: Object, template: str, tokens: _Tokens) -> Object:
    """Kind and name, each only if the text had it before any value was pasted."""

    spelled = {line.partition(": ")[2].strip().strip("'\"") for line in template.splitlines()}

    def shown(value: str) -> str:
        return value if value in spelled else tokens.of_leaf(value)

    metadata = {field: shown(obj["metadata"][field]) for field in ("name", "namespace") if obj["metadata"].get(field)}
    return {"apiVersion": shown(obj["apiVersion"]), "kind": shown(obj["kind"]), "metadata": metadata}


def _with_secret_data(obj: Object, record: Object, tokens: _Tokens) -> tuple[Object, list[str]]:
    """Of a core/v1 Secret: every value of data and stringData, and the copy that `kubectl apply` keeps."""
    if (obj["apiVersion"], obj["kind"]) != ("v1", "Secret"):
        return record, []
    record = dict(record)
    paths: list[str] = []
    for field in ("data", "stringData"):
        if obj.get(field):
            record[field] = _data_tokens(obj, record, field, tokens)
            paths.extend(f"/{field}/{_escape(key)}" for key in _keys(obj[field]))
    annotations = obj["metadata"].get("annotations") or {}
    if _LAST_APPLIED in annotations:
        metadata = record["metadata"]
        hidden = {_LAST_APPLIED: tokens.of_leaf(annotations[_LAST_APPLIED])}
        record["metadata"] = {**metadata, "annotations": {**metadata["annotations"], **hidden}}
        paths.append(f"/metadata/annotations/{_escape(_LAST_APPLIED)}")
    return record, paths


def _keys(data: Any) -> list[str]:
    return list(data) if isinstance(data, dict) else []


def _data_tokens(obj: Object, record: Object, field: str, tokens: _Tokens) -> Any:
    data, source = obj[field], reference(record)
    if not isinstance(data, dict):
        return tokens.of_data(f"{source}.{field}", data)
    return {key: tokens.of_data(f"{source}.{key}", value) for key, value in data.items()}


class _Tokens:
    """Makes tokens, and scrubs what cannot be compared."""

    def __init__(self, secrets: Mapping[str, Variable], key: bytes) -> None:
        self._variables = list(secrets.values())
        self._key = key
        self._redactor = Redactor(variable.value for variable in self._variables)

    def of_leaf(self, value: Any) -> str:
        """A leaf made from Secrets: the source whose value it is, else all whose values it contains."""
        text = value if isinstance(value, str) else canonical(value).decode()
        exact = {variable.source for variable in self._variables if _is_value(variable.value, value)}
        inside = exact or {variable.source for variable in self._variables if variable.value in text}
        return token("+".join(sorted(inside)) or "derived", text.encode(), key=self._key)

    def of_data(self, source: str, value: Any) -> str:
        """A value of a Secret object, hashed as it is once decoded."""
        raw = value if isinstance(value, str) else canonical(value).decode()
        try:
            content = base64.b64decode(raw, validate=True)
        except (binascii.Error, ValueError):
            content = raw.encode()
        return token(source, content, key=self._key)

    def scrubbed(self, error: OperationError) -> OperationError:
        scrub = self._redactor.scrub
        evidence = {key: scrub(value) if isinstance(value, str) else value for key, value in error.evidence.items()}
        return OperationError(scrub(error.message), reason=error.reason, retryable=error.retryable, evidence=evidence)


def _is_value(text: str, leaf: Any) -> bool:
    """Whether a leaf is all of a variable's value, as text or as YAML reads it."""
    if isinstance(leaf, str):
        return text == leaf
    try:
        return _same(resolve_plain(text), leaf)
    except ValueError:
        return False
