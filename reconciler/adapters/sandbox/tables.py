"""Server-side tables: what `kubectl get` prints, for custom kinds by their printer columns and for built-in ones.

Pure. Ages are computed from the given time. Built-in kinds without columns of their own show name and age.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.sandbox import jsonpath
from reconciler.adapters.sandbox.columns import BUILTIN

Object = dict[str, Any]


class Column(NamedTuple):
    """A column and how its cell is made from an object and the time (seconds since the epoch)."""

    name: str
    type: str
    cell: Callable[[Object, float], Any]
    priority: int = 0
    format: str = ""


def age(text: str, now: float) -> str:
    """How long ago a time was, as kubectl writes it (`duration.HumanDuration`)."""
    try:
        passed = int(now - datetime.fromisoformat(text).timestamp())
    except ValueError:
        return "<unknown>"
    if passed < 0:
        return "0s" if passed > -2 else "<invalid>"
    minutes, hours, days = passed // 60, passed // 3600, passed // 86400
    if passed < 120:
        return f"{passed}s"
    if minutes < 10:
        return f"{minutes}m{passed % 60}s" if passed % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d" if days < 730 else f"{days // 365}y"


_NAME = Column("Name", "string", lambda obj, now: obj["metadata"]["name"], format="name")
_AGE = Column("Age", "string", lambda obj, now: age(obj["metadata"].get("creationTimestamp", ""), now))


def columns(kind: Kind, printed: list[Mapping[str, Any]] | None) -> list[Column]:
    """The columns of a kind; `printed` are a CRD's `additionalPrinterColumns`."""
    if printed:
        return [_NAME, *map(_custom, printed)]
    own = BUILTIN.get(kind.kind, ()) if kind.type_name else ()
    made = [Column(name, "string", _plain(cell), priority) for name, cell, priority in own]
    if kind.type_name and kind.kind == "Event":
        return [Column("Last Seen", "string", lambda obj, now: age(_last_seen(obj), now)), *made]
    wide = [column for column in made if column.priority]
    return [_NAME, *(column for column in made if not column.priority), _AGE, *wide]


def _last_seen(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp", ""))


def _plain(cell: Callable[[Object], Any]) -> Callable[[Object, float], Any]:
    return lambda obj, now: cell(obj)


def _custom(printed: Mapping[str, Any]) -> Column:
    path, type_ = printed["jsonPath"], printed["type"]

    def cell(obj: Object, now: float) -> Any:
        found = jsonpath.find(obj, path)
        if not found or found[0] is None:
            return None
        if type_ == "date":
            return age(str(found[0]), now)
        return found[0] if type_ in ("integer", "number", "boolean") else _text(found)

    return Column(printed["name"], type_, cell, printed.get("priority", 0), printed.get("format", ""))


def _text(found: list[Any]) -> str:
    return found[0] if isinstance(found[0], str) else msgspec.json.encode(found[0]).decode()


def table(made: list[Column], objects: list[Object], *, now: float, meta: Object, include: str) -> Object:
    """A `meta.k8s.io/v1` Table of the objects. `include` is `None`, `Metadata` or `Object`."""
    rows = [{"cells": [column.cell(obj, now) for column in made], "object": _object(obj, include)} for obj in objects]
    definitions = [
        {
            "name": column.name, "type": "string" if column.type == "date" else column.type, "format": column.format,
            "description": column.name, "priority": column.priority,
        }
        for column in made
    ]  # fmt: skip
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
        "columnDefinitions": definitions, "rows": rows,
    }  # fmt: skip


def _object(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
