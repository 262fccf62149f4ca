"""Takes log tails out of a record's body: they are other people's words, and nothing was decided on them.

Not of evidence as a whole: exit codes, reasons, states and events stay. A body that lacks something cannot be held
against the digest in its header any more, so its salt goes too: with it, what was left out could be guessed at.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ledger.export.record import Exported
from replay.bundle.format import Shortened

_LOG = "log"


def without_logs(record: Exported) -> tuple[Exported, Shortened | None]:
    """The record without log tails, and what was left out; as it is where it has none."""
    stored = record.stored
    if stored.body is None or b'"log":' not in stored.body:
        return record, None
    body: dict[str, Any] = msgspec.json.decode(stored.body)
    fields: list[str] = []
    kept = {**body, "evidence": _without(body.get("evidence"), "/evidence", fields)}
    if not fields:
        return record, None
    shorter = stored._replace(body=msgspec.json.encode(kept), salt=None)
    return record._replace(stored=shorter), Shortened(seq=stored.seq, fields=tuple(fields))


def _without(value: Any, path: str, fields: list[str]) -> Any:
    if isinstance(value, list):
        return [_without(inner, f"{path}/{at}", fields) for at, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        if key == _LOG and isinstance(inner, str):
            fields.append(f"{path}/{key}")
        else:
            kept[key] = _without(inner, f"{path}/{key}", fields)
    return kept
