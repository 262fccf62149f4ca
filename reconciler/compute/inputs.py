"""What an operation was told by the world, in the form in which it may be recorded and answered again from.

Not the world's answers themselves: of a Secret there is the kind of each value and nothing of it, of other objects only
what was looked at. Invariant: `stand_in` gives a value of the same kind, and equal kinds under other numbers are told
apart.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Literal, get_args

import msgspec

from reconciler.compute.fields import cut, mapping, strings
from reconciler.compute.yamldoc import resolve_plain
from reconciler.ports.cluster import Object

#: Of a Secret's value: how YAML reads it where it is pasted. `odd`: pasting it may change the shape of a manifest.
Kind = Literal["empty", "text", "int", "float", "bool", "line", "odd", "binary", "not-base64"]
KINDS: tuple[str, ...] = get_args(Kind)
#: Larger inputs are not recorded.
BYTES_MAX = 2 * 1024 * 1024
NOTES_MAX = 500
#: Of a list and of a text in what an expression names.
ITEMS_MAX, TEXT_CHARS_MAX = 200, 512
#: Characters that stand in a plain YAML scalar without meaning anything.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+=@:~^-]*(?<!:)")
_SCALARS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "text"}
_METADATA = ("name", "namespace", "uid", "generation", "resourceVersion")
#: Where values of Secrets stand in objects that are none.
_CLOSED = frozenset({"env", "envFrom", "data", "stringData", "managedFields"})


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One question to the world, and its answer."""

    #: hand, version, resource, get, list, patch, delete, call, fetch
    verb: str
    #: what was asked for
    about: tuple[str, ...] = ()
    #: class of a cluster's refusal, reason of any other; empty: it answered
    error: str = ""
    message: str = ""
    retryable: bool = False
    #: a request may have had an effect
    doubtful: bool = False
    #: an API's Status verbatim, or what a refusal was judged by
    facts: dict[str, Any] = {}
    answer: Any = None


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An object whose readiness was judged."""

    #: API version, kind, namespace, name
    ref: tuple[str, str, str, str]
    #: None: it does not exist
    object: dict[str, Any] | None = None
    #: why it could not be read; empty: it could
    unreadable: str = ""


class Inputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one operation was told."""

    inputs: Literal[1]
    #: identity of the kustomize that built
    tool: str = ""
    notes: tuple[Note, ...] = ()
    judged: tuple[Judged, ...] = ()
    #: when they were judged, milliseconds since 1970
    judged_ms: int = 0


def encode(inputs: Inputs) -> bytes | None:
    """Canonical JSON; None where it is more than is recorded."""
    data = msgspec.json.encode(inputs, order="sorted")
    return data if len(data) <= BYTES_MAX and len(inputs.notes) <= NOTES_MAX else None


def decode(data: bytes) -> Inputs | None:
    """Inputs out of a blob; None where it holds something else."""
    if b'"inputs":1' not in data[-BYTES_MAX:] or data[:1] != b"{":
        return None
    try:
        return msgspec.json.decode(data, type=Inputs)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


# ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────


def shown(obj: Object, *, kind: str, used: str = "", words: str = "") -> Object:
    """What may be recorded of a live object.

    Of a ConfigMap the values whose keys occur in the text `used`, of a Secret the kinds of its values, of anything else
    what names it and the fields that the text `words` (an expression) names.
    """
    head = named(obj)
    if kind == "Secret":
        return head | {"withheld": {key: kind_of(value) for key, value in strings(obj, "data").items()}}
    if kind == "ConfigMap" and not words:
        return head | {"data": {key: value if key in used else "" for key, value in strings(obj, "data").items()}}
    return merged(head, _picked(obj, words)) if words else head


def named(obj: Object) -> Object:
    """What names a live object and its version."""
    return {"metadata": {key: obj["metadata"][key] for key in _METADATA if key in (obj.get("metadata") or {})}}


def _picked(value: Any, words: str) -> Any:
    """The parts of a value whose keys an expression names."""
    if isinstance(value, dict):
        return {key: _picked(inner, words) for key, inner in value.items() if key in words and key not in _CLOSED}
    if isinstance(value, list):
        return [_picked(inner, words) for inner in value[:ITEMS_MAX]]
    return cut(value, TEXT_CHARS_MAX) if isinstance(value, str) else value


def merged(one: Any, other: Any) -> Any:
    """Two reductions of one object, together."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}


def answered(obj: Object) -> Object:
    """A recorded object as the cluster gave it, with stand-ins for what was withheld."""
    if "withheld" not in obj:
        return obj
    data = {key: stand_in(kind, at) for at, (key, kind) in enumerate(sorted(mapping(obj, "withheld").items()))}
    return {**{key: value for key, value in obj.items() if key != "withheld"}, "data": data}


# ── values of Secrets ────────────────────────────────────────────────────────────────────────────────────────────


def kind_of(value: str) -> Kind:
    """The kind of a value of a Secret, given in base64 as the API does."""
    try:
        plain = base64.b64decode(value, validate=True).decode()
    except UnicodeDecodeError:
        return "binary"
    except (binascii.Error, ValueError):
        return "not-base64"
    if not plain:
        return "empty"
    if _PLAIN.fullmatch(plain):
        try:
            return _SCALARS.get(type(resolve_plain(plain)), "odd")
        except ValueError:
            return "odd"
    return "line" if plain.endswith("\n") and _PLAIN.fullmatch(plain.rstrip("\r\n")) else "odd"


def stand_in(kind: str, number: int) -> str:
    """A value of a kind, in base64; `number` tells several of them apart."""
    values = {
        "empty": b"",
        "int": b"7%04d" % number,
        "float": b"7%04d.5" % number,
        "bool": b"true",
        "line": b"withheld%04d\n" % number,
        "binary": b"\xff%04d" % number,
    }
    if kind == "not-base64":
        return "*"
    return base64.b64encode(values.get(kind, b"withheld%04d" % number)).decode()


def is_odd(inputs: Inputs) -> bool:
    """Whether a Secret's value was involved whose stand-in may lead elsewhere."""
    kinds = {kind for note in inputs.notes for kind in mapping(note.answer, "withheld").values()}
    return bool(kinds & {"odd", "bool"})
