from __future__ import annotations

from msgspec.structs import replace

from ledger.envelope import Record
from replay.runs import before, runs, tries
from tests.replay import making
from tests.replay.told import last_failed, records_of


def test_all_runs_of_the_stream_are_told_in_order() -> None:
    log = making.failures()
    found = runs(records_of(making.bundle(log, *last_failed(log))))
    everything = [run for _, run in making.runs(log)]
    assert [one.id for one in found] == everything[: len(found)]
    assert found[0].outcome == "succeeded"
    assert set(found[0].built) == {"one", "two", "three"}
    assert found[-1].outcome == "failed"
    assert found[-1].message.startswith("stage one: apply: ")
    assert all(one.opened_at <= one.last_at for one in found)
    assert before(found, found[0].id) is None
    assert before(found, found[1].id) is found[0]
    assert before(found, "nobody") is None


def test_a_run_of_the_same_snapshot_is_another_try() -> None:
    log = making.failures()
    found = runs(records_of(making.bundle(log, *last_failed(log))))
    again = [*found, found[-1].__class__(id="again", snapshot=found[-1].snapshot)]
    assert [one.id for one in tries(again, "again")] == [found[-1].id, "again"]
    assert [one.id for one in tries(again, found[0].id)] == [found[0].id]
    assert tries(again, "nobody") == []


def test_an_unfinished_run() -> None:
    log = making.failures()
    records = records_of(making.bundle(log, *making.failed(log)))[:-3]
    last = runs(records)[-1]
    assert (last.outcome, last.last_at) == ("unfinished", records[-1].header.at)


def test_what_comes_after_the_end_of_a_run_does_not_make_it_longer() -> None:
    log = making.failures()
    *records, last = records_of(making.bundle(log, *making.failed(log)))
    later = Record(replace(last.header, at="2031-01-01T00:00:00.000Z"), last.event)
    assert runs([*records, later])[-1].last_at == last.header.at
