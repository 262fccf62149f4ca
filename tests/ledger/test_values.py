"""Values inside events: what is left out, what is refused, and that they are the same ones that events give out."""

from __future__ import annotations

import msgspec
import pytest

from ledger import events, values


def test_what_says_nothing_is_left_out():
    assert msgspec.json.encode(values.Item(id="a", v="v1")) == b'{"id":"a","v":"v1"}'


@pytest.mark.parametrize("kind", values.Value.__subclasses__())
def test_an_unknown_field_is_refused(kind):
    required = {field.name: "x" for field in msgspec.structs.fields(kind) if field.required}
    assert msgspec.convert(required, kind)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({**required, "more": 1}, kind)


def test_events_give_out_the_same_ones():
    assert (events.Pin, events.Item) == (values.Pin, values.Item)
