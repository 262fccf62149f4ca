"""In which fields two versions of an object differ, as JSON pointers (RFC 6901).

Not which of them is right. What the API server keeps for itself (versions, managers, status) is no difference.
Invariant: values are compared and never returned, so that a difference can be told of whatever the values are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from reconciler.compute.fields import mapping

#: Names of fields and indexes in lists, from the top.
Path = tuple[str | int, ...]

_SERVERS = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "deletionTimestamp"}
)
#: By which field items of a list are told apart, the first that all of them have and no two share. Kubernetes'
#: own schemas name these (`x-kubernetes-list-map-keys`); of custom resources they are not known here.
_KEYS = ("name", "containerPort", "port", "mountPath", "devicePath", "topologyKey", "ip", "type", "key", "uid", "id")
_ABSENT = object()


def differences(live: Any, wanted: Any) -> list[Path]:
    """Where `live` is not as `wanted`, in the order of `wanted`'s fields; an item of a list by its index in `wanted`.

    Of what is only in one of the two, the topmost field is named. Two objects, as the API server returns them.
    """
    return list(_objects(_compared(live), _compared(wanted), ()))


def is_rendered(path: Path, desired: Any) -> bool:
    """Whether a field is one of those that `desired` sets; in a list that it has, every item counts as such.

    A webhook may change other fields with every apply, and with every dry-run of one.
    """
    for part in path:
        if isinstance(part, int):
            return isinstance(desired, list)
        if not isinstance(desired, dict) or part not in desired:
            return False
        desired = desired[part]
    return True


def pointer(path: Path) -> str:
    """As JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def parts(text: str) -> tuple[str, ...]:
    """The names in a JSON pointer; indexes are names too."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def is_below(path: Path, above: Sequence[str]) -> bool:
    """Whether a field is that of a pointer, or inside of it."""
    return len(path) >= len(above) and all(str(part) == name for part, name in zip(path, above, strict=False))


def _compared(obj: Any) -> dict[str, Any]:
    metadata = {key: value for key, value in mapping(obj, "metadata").items() if key not in _SERVERS}
    return {**{key: value for key, value in mapping(obj).items() if key != "status"}, "metadata": metadata}


def _values(live: Any, wanted: Any, path: Path) -> Iterator[Path]:
    if isinstance(live, dict) and isinstance(wanted, dict):
        yield from _objects(live, wanted, path)
    elif isinstance(live, list) and isinstance(wanted, list):
        yield from _lists(live, wanted, path)
    elif type(live) is not type(wanted) or live != wanted:
        yield path


def _objects(live: dict[str, Any], wanted: dict[str, Any], path: Path) -> Iterator[Path]:
    for key in (*wanted, *(key for key in live if key not in wanted)):
        yield from _values(live.get(key, _ABSENT), wanted.get(key, _ABSENT), (*path, key))


def _lists(live: list[Any], wanted: list[Any], path: Path) -> Iterator[Path]:
    key = _key(live, wanted)
    if key is None:
        for at, (mine, other) in enumerate(zip_longest(live, wanted, fillvalue=_ABSENT)):
            yield from _values(mine, other, (*path, at))
        return
    there = {item[key]: item for item in live}
    for at, item in enumerate(wanted):
        yield from _values(there.pop(item[key], _ABSENT), item, (*path, at))
    for at, item in enumerate(live):
        if item[key] in there:
            yield (*path, at)


def _key(live: list[Any], wanted: list[Any]) -> str | None:
    for key in _KEYS:
        if all(_told_apart(items, key) for items in (live, wanted)):
            return key
    return None


def _told_apart(items: list[Any], key: str) -> bool:
    found = [item.get(key) for item in items if isinstance(item, dict)]
    plain = all(isinstance(value, str | int) for value in found)
    return len(found) == len(items) and plain and len(set(found)) == len(items)
