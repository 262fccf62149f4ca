"""One event of every kind with every field set, made from the types alone: no kind can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ledger.envelope import Actor, Draft
from ledger.events import BY_TAG, OUTCOMES, Event, Finished
from tests.ledger.making import SHA


def full(cls: type[Event]) -> Event:
    """An event of a type with every field away from its default."""
    made = _value(msgspec.inspect.type_info(cls), cls.__name__)
    assert isinstance(made, cls)
    return made


def _value(kind: msgspec.inspect.Type, name: str) -> Any:
    match kind:
        case msgspec.inspect.StructType():
            fields = {field.name: _value(field.type, field.name) for field in kind.fields}
            return kind.cls(**fields)
        case msgspec.inspect.ListType():
            return [_value(kind.item_type, name)]
        case msgspec.inspect.UnionType():
            return _value(next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)), name)
        case msgspec.inspect.LiteralType():
            return kind.values[-1]
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.IntType():
            return 7
        case msgspec.inspect.StrType():
            return f"{name} “ü” \n"
        case msgspec.inspect.DictType():
            return {name: {"list": [1, -2.5, None, True], "text": "é\t\u2028"}}
        case _:
            raise NotImplementedError(f"samples of {kind}")


def drafts(tags: list[str]) -> Iterator[Draft]:
    """A draft of each tag, with every field of the header set in one or another."""
    outcomes = sorted(OUTCOMES)
    for number, tag in enumerate(tags):
        event = full(BY_TAG[tag])
        finished = isinstance(event, Finished)
        yield Draft(
            event=event,
            actor=Actor(kind="user", id=f"jane-{number}", how="annotation"),
            run=f"run-{number}",
            snapshot=SHA,
            stage="database",
            attempt=number + 1,
            outcome=outcomes[number % len(outcomes)] if finished else "",
            intent=number + 1 if finished else 0,
            idem=f"key-{number}",
            req=SHA,
            res=SHA if finished else "",
            blobs=(SHA,) if finished else (),
            state=SHA,
        )
