"""Writes the frozen schema again and adds new kinds of events to the golden ledger: `python -m tests.ledger.freeze`.

Records that are in a golden ledger stay as they are for ever; new ones are appended.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from ledger.chain import Chain, Head
from ledger.envelope import Actor, Header, Stored, Writer
from ledger.events import BY_TAG, CompletionShown, Event, Fact, Finished, Item, Pin, StageShown
from ledger.log import Batch
from ledger.tip import Staging, Tip
from tests.ledger.making import AT, LEDGER, chance
from tests.ledger.samples import drafts

HERE = Path(__file__).parent
SCHEMA = HERE / "schema.json"
GOLDEN = HERE / "golden" / "v1.jsonl"


def schema() -> dict[str, Any]:
    """Every permanent type: its fields, their types, and which of them must be there."""
    return {
        "header": {cls.__name__: _fields(cls) for cls in (Header, Actor, Writer)},
        "values": {cls.__name__: _fields(cls) for cls in (Pin, Item, StageShown, CompletionShown)},
        "events": {tag: _event(cls) for tag, cls in sorted(BY_TAG.items())},
    }


def _event(cls: type[Event]) -> dict[str, Any]:
    kind = "finished" if issubclass(cls, Finished) else "fact" if issubclass(cls, Fact) else "decision"
    return {"kind": kind, "operation": cls.OP, "fields": _fields(cls)}


def _fields(cls: type[msgspec.Struct]) -> dict[str, str]:
    kind = msgspec.inspect.type_info(cls)
    assert isinstance(kind, msgspec.inspect.StructType)
    return {f.encode_name: _name(f.type) + ("" if f.required else "?") for f in kind.fields}


def _name(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.StructType():
            return kind.cls.__name__
        case msgspec.inspect.ListType():
            return f"list of {_name(kind.item_type)}"
        case msgspec.inspect.VarTupleType():
            return f"tuple of {_name(kind.item_type)}"
        case msgspec.inspect.UnionType():
            return " or ".join(map(_name, kind.types))
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(map(str, kind.values))
        case _:
            return type(kind).__name__.removesuffix("Type").lower()


def golden() -> list[Stored]:
    """The records of the golden ledger."""
    text = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    return [_stored(json.loads(line)) for line in text.split("\n") if line]


def _stored(line: dict[str, Any]) -> Stored:
    body, salt = line.get("body"), line.get("salt")
    return Stored(
        line["seq"],
        line["header"].encode(),
        body.encode() if body is not None else None,
        bytes.fromhex(salt) if salt is not None else None,
    )


def _line(row: Stored) -> str:
    fields = {"seq": row.seq, "header": row.header.decode()}
    if row.body is not None and row.salt is not None:
        fields |= {"body": row.body.decode(), "salt": row.salt.hex()}
    return json.dumps(fields, ensure_ascii=False)


def grown(rows: list[Stored]) -> list[Stored]:
    """The golden ledger with a record of every kind that it does not have yet."""
    chain = Chain()
    known = {chain.follow(row).type for row in rows}
    tip = Tip(LEDGER, head=chain.head, epoch=3)
    tip.streams = dict(chain.streams)
    staging = Staging(
        tip,
        replica="replica-0",
        chance=chance(f"golden/{len(rows)}"),
        has_blob=lambda _: True,
        stream_head=lambda _: Head(),
    )
    missing = sorted((tag for tag in BY_TAG if tag not in known), key=lambda tag: (BY_TAG[tag].OP != "ledger", tag))
    for number, draft in enumerate(drafts(missing)):
        stream = ("ledger", "shop/checkout/1", "shop/search/2")[0 if draft.event.OP == "ledger" else 1 + number % 2]
        staging.add(Batch(stream=stream, expected=staging.stream(stream).number, epoch=3, at=AT, drafts=(draft,)))
    return rows + staging.rows


def main() -> None:
    SCHEMA.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"{_line(row)}\n" for row in grown(golden())), encoding="utf-8")


if __name__ == "__main__":
    main()
