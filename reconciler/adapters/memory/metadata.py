"""Names, labels and the other parts of `metadata` that the API server checks on every object.

Pure. Source of the rules and words: apimachinery `validation/objectmeta.go` and `util/validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.status import Cause, forbidden, invalid, required
from reconciler.adapters.memory.validation import shown

Object = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_KEY_WORDS = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL_NAMES = ("Namespace", "Service", "StatefulSet")
_PATH_NAMES = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def check(kind: Kind, obj: Object) -> list[Cause]:
    """What is wrong with an object's metadata."""
    return list(_check(kind, obj["metadata"]))


def _check(kind: Kind, metadata: Object) -> Iterator[Cause]:
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif found := _name_error(kind, name):
        yield invalid("metadata.name", shown(name), message=found)
    if not kind.namespaced and metadata.get("namespace"):
        yield forbidden("metadata.namespace", "not allowed on this type")
    for key, value in (metadata.get("labels") or {}).items():
        yield from _key(key, "metadata.labels")
        if value and (len(value) > 63 or not _NAME.fullmatch(value)):
            words = "must be no more than 63 bytes" if len(value) > 63 else _VALUE_WORDS
            yield invalid("metadata.labels", shown(value), message=words)
    for key in metadata.get("annotations") or {}:
        yield from _key(key.lower(), "metadata.annotations")
    for finalizer in metadata.get("finalizers") or ():
        yield from _key(finalizer, "metadata.finalizers")


def _name_error(kind: Kind, name: str) -> str:
    if kind.type_name and kind.kind in _PATH_NAMES:
        bad = name in (".", "..") or "/" in name or "%" in name
        return "may not contain '/'" if bad else ""
    if kind.type_name and kind.kind in _LABEL_NAMES:
        if len(name) > 63:
            return "must be no more than 63 bytes"
        return "" if _LABEL.fullmatch(name) else _LABEL_WORDS
    if len(name) > 253:
        return "must be no more than 253 bytes"
    return "" if _SUBDOMAIN.fullmatch(name) else _SUBDOMAIN_WORDS


def _key(key: str, field: str) -> Iterator[Cause]:
    prefix, _, name = key.rpartition("/")
    if "/" in key and not _SUBDOMAIN.fullmatch(prefix):
        yield invalid(field, shown(key), message=f"prefix part {_SUBDOMAIN_WORDS}")
    if len(name) > 63:
        yield invalid(field, shown(key), message="name part must be no more than 63 bytes")
    elif not _NAME.fullmatch(name):
        yield invalid(field, shown(key), message=_KEY_WORDS)


def check_update(old: Object, new: Object) -> list[Cause]:
    """What of the metadata must not change as it did."""
    before, after = old["metadata"], new["metadata"]
    added = [f for f in after.get("finalizers") or () if f not in (before.get("finalizers") or ())]
    if before.get("deletionTimestamp") and added:
        names = ", ".join(f'"{name}"' for name in added)
        text = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{names}}}"
        )
        return [forbidden("metadata.finalizers", text)]
    return []


_RANDOM = "bcdfghjklmnpqrstvwxz2456789"


def suffix(number: int, length: int = 5) -> str:
    """The suffix of a generated name: as the API's look, derived from a counter instead of chance."""
    scrambled = (number * 2654435761 + 40503) % len(_RANDOM) ** length
    text = ""
    for _ in range(length):
        scrambled, digit = divmod(scrambled, len(_RANDOM))
        text += _RANDOM[digit]
    return text
