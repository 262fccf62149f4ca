from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from ledger import events
from ledger.chain import Chain
from ledger.envelope import Draft, Header, decode_body, digest
from ledger.errors import UnknownEvent
from ledger.events import BY_TAG, OPERATIONS, OUTCOMES, Event
from ledger.memory_log import MemoryLog
from ledger.upcast import decode
from tests.ledger.freeze import GOLDEN, SCHEMA, golden, grown, schema
from tests.ledger.making import AT, LEDGER, append, chance
from tests.ledger.samples import full

#: The last record of the golden ledger of version 1 when it was first written. It never changes: what was there then
#: must be readable for ever. New kinds of events come after it.
GOLDEN_V1 = (45, "sha256:7161dc69f278e23f41cb9caf479a983c00967bb94bc1b11e2b6a242b922211d8")
#: Tags that were released once stay, even when nothing writes them any more.
ADVICE = (
    "The schema of the ledger is permanent. If the change is meant: a new event type or a new optional field with a "
    "default needs a line under **Log format** in CHANGELOG.md; anything else also needs an upcaster in "
    "ledger/upcast.py and a new envelope version. Then run 'python -m tests.ledger.freeze' and review its diff."
)

TYPES = list(BY_TAG.values())


def test_the_schema_is_frozen() -> None:
    frozen: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema() == frozen, ADVICE


def test_the_frozen_schema_notices_changes() -> None:
    class Changed(events.Fact, frozen=True, kw_only=True, tag="x"):
        OP = "run"
        text: str
        added: int = 0

    from tests.ledger.freeze import _event

    assert _event(Changed) == {
        "kind": "fact",
        "operation": "run",
        "fields": {"text": "str", "added": "int?"},
    }
    assert schema()["events"]["verify.finished"]["fields"]["objects"] == "list of Item?"
    assert schema()["events"]["run.opened"]["fields"]["trigger"].startswith("one of ")


# ── the golden ledger ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_golden_ledger_is_read_and_folded() -> None:
    chain, counts = Chain(), dict.fromkeys(BY_TAG, 0)
    for stored in golden():
        chain.follow(stored)
        header, event = decode(stored)
        assert event is not None
        assert events.tag_of(event) == header.type
        assert header.op == event.OP
        counts[header.type] += 1
        if header.seq == GOLDEN_V1[0]:
            assert digest(stored.header) == GOLDEN_V1[1], "golden records never change"
    assert chain.head.number >= GOLDEN_V1[0]
    lacking = [tag for tag, count in counts.items() if not count]
    assert not lacking, f"run 'python -m tests.ledger.freeze' to add {lacking} to {GOLDEN}"


def test_the_golden_ledger_is_read_to_the_letter() -> None:
    for stored in golden():
        header, event = decode(stored)
        assert event == full(BY_TAG[header.type])


def test_the_golden_ledger_has_every_field() -> None:
    seen: set[str] = set()
    for stored in golden():
        event = decode(stored).event
        assert event is not None
        seen.update(json.loads(stored.header))
        raw = json.loads(stored.body or b"{}")
        assert set(raw) == {field.encode_name for field in msgspec.structs.fields(type(event))}
    assert seen == {field.encode_name for field in msgspec.structs.fields(Header)}


def test_growing_changes_nothing_that_is_there() -> None:
    rows = golden()
    assert grown(rows) == rows
    shorter = grown(rows[:20])
    assert shorter[:20] == rows[:20]
    assert len(shorter) == len(rows)


# ── the types ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_type_is_known_by_its_tag() -> None:
    def leaves(cls: type[Event]) -> set[type[Event]]:
        return {cls} if "OP" in cls.__dict__ else set().union(*map(leaves, cls.__subclasses__()))

    ours = {cls for cls in leaves(Event) if cls.__module__ == "ledger.events"}
    assert ours == set(TYPES)
    assert len(TYPES) == len(BY_TAG)


@pytest.mark.parametrize("cls", TYPES, ids=BY_TAG)
def test_a_type_is_what_it_has_to_be(cls: type[Event]) -> None:
    config = cls.__struct_config__
    assert (config.frozen, config.forbid_unknown_fields, config.omit_defaults) == (True, True, True)
    assert config.tag_field == "type"
    assert all(
        field.required or field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT
        for field in msgspec.structs.fields(cls)
    )
    assert cls.OP in OPERATIONS
    assert issubclass(cls, events.Fact) is not issubclass(cls, events.Decision)
    assert cls.__doc__
    with pytest.raises(TypeError):
        cls("positional")


@pytest.mark.parametrize("cls", TYPES, ids=BY_TAG)
def test_a_type_is_written_and_read_again(cls: type[Event]) -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", Draft(event=full(cls)))
    header, event = decode(log.rows[-1])
    assert event == full(cls)
    assert header.type == events.tag_of(full(cls))
    assert events.is_fact(full(cls)) is issubclass(cls, events.Fact)


@pytest.mark.parametrize("cls", [cls for cls in TYPES if cls.__struct_fields__], ids=lambda cls: cls.__name__)
def test_unknown_fields_are_errors(cls: type[Event]) -> None:
    log = MemoryLog(ledger=LEDGER, at=AT, chance=chance())
    append(log, "a", Draft(event=full(cls)))
    header, body = decode(log.rows[-1]).header, log.rows[-1].body
    assert body is not None
    with pytest.raises(UnknownEvent, match=r"^position 2: .*unknown field `surprise`"):
        decode_body(header, body[:-1] + b',"surprise":1}')


def test_growing_by_an_optional_field_keeps_old_bodies_readable() -> None:
    class Old(events.Fact, frozen=True, kw_only=True, tag="test.growing"):
        OP = "run"
        text: str

    class New(events.Fact, frozen=True, kw_only=True, tag="test.growing"):
        OP = "run"
        text: str
        added: int = 3

    written = msgspec.json.encode(Old(text="x"))
    assert msgspec.json.decode(written, type=New) == New(text="x", added=3)
    # And what does not use the field is written as before.
    assert msgspec.json.encode(New(text="x")) == written


def test_words() -> None:
    assert {"ok", "failed", "refused", "skipped", "indeterminate"} == OUTCOMES
    assert {cls.OP for cls in TYPES} == OPERATIONS
