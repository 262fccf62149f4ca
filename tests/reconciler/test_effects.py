"""Entries: what decisions may read of a record."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.envelope import Actor, Draft, Header, Record, Writer
from reconciler.effects import Entry, entry_of_draft, entry_of_record

AT = "2030-01-01T00:00:00.250Z"
HEADER = Header(
    actor=Actor(kind="world"), at=AT, ledger="l", op="apply", outcome="failed", intent=4, run="r", seq=9, stage="db",
    stream="stageset/shop/rel/u", type="apply.finished", v=1, ver=5, writer=Writer(epoch=1, replica="a"),
)  # fmt: skip


def test_a_draft_becomes_what_its_record_will_say():
    event = e.ApplyFinished(reason="Denied", message="no")
    draft = Draft(event=event, run="r", stage="db", outcome="failed", intent=4)
    entry = entry_of_record(Record(HEADER, event))
    assert entry == entry_of_draft(draft, at_ms=entry.at_ms, ver=5)
    assert entry.at_ms % 1000 == 250


def test_a_stream_with_an_erased_body_cannot_be_folded():
    with pytest.raises(ValueError, match=r"position 9 was erased: stageset/shop/rel/u cannot be folded"):
        entry_of_record(Record(HEADER, None))


@pytest.mark.parametrize(
    ("outcome", "ok"),
    [("", True), ("ok", True), ("skipped", True), ("failed", False), ("refused", False), ("indeterminate", False)],
)
def test_which_outcomes_are_good(outcome, ok):
    assert Entry(e.ApplyFinished(), 0, 1, outcome=outcome).ok is ok
