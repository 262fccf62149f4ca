"""Where a replay first differs from the recording: which event, what was recorded, what was decided now, and why.

Values and comparisons; no judgement about files or processes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ledger.envelope import Header, Record

#: CODE: this code decides otherwise than the one that recorded. INPUT: what was recorded is not what was decided on.
#: SCHEMA: only the form of the folded state differs. NONDETERMINISM: the same code decides otherwise each time.
Class = Literal["CODE", "INPUT", "SCHEMA", "NONDETERMINISM"]
_TEXT_MAX = 400


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One field, as it was recorded and as it was decided now."""

    #: `header.stage`, or a JSON pointer into the body such as `body/objects/0/uid`
    field: str
    recorded: str
    decided: str


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference between a recording and its replay."""

    kind: Class
    #: position of the event in the ledger, and its version in the stream
    seq: int
    version: int
    type: str
    stage: str = ""
    #: position and type of the fact that was decided on
    fact_seq: int
    fact_type: str
    #: sentence for people
    message: str
    first: Difference


def shown(value: Any) -> str:
    """A value for people: JSON, at most 400 characters."""
    text = "nothing" if value is None else msgspec.json.encode(value, order="deterministic").decode()
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def header_difference(recorded: Header, expected: dict[str, Any]) -> Difference | None:
    """The first of the expected fields that a recorded header has otherwise."""
    for name, value in expected.items():
        found = getattr(recorded, name)
        if found != value:
            return Difference(field=f"header.{name}", recorded=shown(_plain(found)), decided=shown(_plain(value)))
    return None


def body_difference(recorded: Record, event: Any) -> Difference | None:
    """The first place where a recorded event and a decided one differ."""
    if type(recorded.event) is type(event) and recorded.event == event:
        return None
    return _first(_plain(recorded.event), _plain(event), "body") or Difference(
        field="body", recorded=shown(_plain(recorded.event)), decided=shown(_plain(event))
    )


def _first(recorded: Any, decided: Any, path: str) -> Difference | None:
    if isinstance(recorded, dict) and isinstance(decided, dict):
        for key in sorted(recorded.keys() | decided.keys()):
            found = _first(recorded.get(key), decided.get(key), f"{path}/{key}")
            if found is not None:
                return found
        return None
    if isinstance(recorded, list) and isinstance(decided, list) and len(recorded) == len(decided):
        for at, pair in enumerate(zip(recorded, decided, strict=True)):
            found = _first(*pair, f"{path}/{at}")
            if found is not None:
                return found
        return None
    if type(recorded) is type(decided) and recorded == decided:
        return None
    return Difference(field=path, recorded=shown(recorded), decided=shown(decided))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
