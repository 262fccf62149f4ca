"""Reading JSON objects that nobody vouches for.

Not a schema: a value of another type than asked for counts as absent, as it does for kstatus. Objects are dicts, as
JSON decoders make them. Invariant: nothing here raises on any JSON value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def dig(obj: Any, *path: str) -> Any:
    """The value at `path`, or None where any step is absent or not an object."""
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


def text(obj: Any, *path: str) -> str:
    """The string at `path`, or an empty one."""
    value = dig(obj, *path)
    return value if isinstance(value, str) else ""


def whole(obj: Any, *path: str) -> int | None:
    """The integer at `path`, or None. A boolean is not an integer; a whole float is."""
    value = dig(obj, *path)
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def count(obj: Any, *path: str, default: int = 0) -> int:
    """The integer at `path`, or `default`."""
    value = whole(obj, *path)
    return default if value is None else value


def mapping(obj: Any, *path: str) -> dict[str, Any]:
    """The object at `path` itself (not to be changed), or an empty one."""
    value = dig(obj, *path)
    return value if isinstance(value, dict) else {}


def strings(obj: Any, *path: str) -> dict[str, str]:
    """The map of strings at `path` (labels, annotations) without what is not a string."""
    return {k: v for k, v in mapping(obj, *path).items() if isinstance(k, str) and isinstance(v, str)}


def maps(obj: Any, *path: str) -> list[dict[str, Any]]:
    """The objects in the list at `path` (not to be changed); items of other types are left out."""
    value = dig(obj, *path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def condition(obj: Any, kind: str) -> dict[str, Any] | None:
    """The first of `status.conditions` whose type is `kind`."""
    return next((c for c in maps(obj, "status", "conditions") if c.get("type") == kind), None)


def is_true(found: Mapping[str, Any] | None) -> bool:
    """Whether a condition is there with status `True`."""
    return found is not None and found.get("status") == "True"


def is_false(found: Mapping[str, Any] | None) -> bool:
    """Whether a condition is there with status `False`."""
    return found is not None and found.get("status") == "False"


def millis(timestamp: str) -> int | None:
    """Milliseconds since the epoch of an RFC 3339 timestamp, or None where it is none."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`; empty for the core group."""
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


def cut(sentence: str, chars_max: int) -> str:
    """`sentence`, shortened to `chars_max` characters with an ellipsis as the last one."""
    return sentence if len(sentence) <= chars_max else sentence[: chars_max - 1].rstrip() + "…"
