from __future__ import annotations

from ledger.envelope import Record, decode_header
from ledger.events import BuildFinished, Item, StageSucceeded
from replay.divergence import body_difference, header_difference, shown
from tests.replay import making


def test_the_first_place_in_a_body_is_named() -> None:
    one = BuildFinished(objects=[Item(id="a", v="v1"), Item(id="b", v="v1")])
    other = BuildFinished(objects=[Item(id="a", v="v1"), Item(id="b", v="v2")])
    header = decode_header(next(iter(making.failures().read())).header)
    found = body_difference(Record(header, one), other)
    assert found is not None
    assert (found.field, found.recorded, found.decided) == ("body/objects/1/v", '"v1"', '"v2"')
    assert body_difference(Record(header, one), one) is None
    found = body_difference(Record(header, one), BuildFinished(objects=[]))
    assert found is not None
    assert (found.field, found.decided) == ("body/objects", "nothing")
    assert body_difference(Record(header, StageSucceeded()), one) is not None


def test_the_first_field_of_a_header_is_named() -> None:
    header = decode_header(next(iter(making.failures().read())).header)
    assert header_difference(header, {"seq": 1, "stage": ""}) is None
    found = header_difference(header, {"seq": 1, "stage": "x"})
    assert found is not None
    assert (found.field, found.recorded, found.decided) == ("header.stage", '""', '"x"')


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10_000)) == 400
    assert shown(None) == "nothing"
