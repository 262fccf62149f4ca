"""What is gathered is seen in bundles: `test_export.py`. Here is what bundles do not show."""

from __future__ import annotations

from ledger.export.record import checked
from ledger.log import Selection
from replay.bundle import gathering
from tests.replay import making
from tests.replay.bundle.archives import SECRET, VALUE
from tests.replay.bundle.test_export import WANTED, planted


def test_the_stream_up_to_the_end_of_the_run_and_no_further() -> None:
    log = making.failures()
    for stream, run in making.runs(log):
        found = gathering.records(log, gathering.Wanted(stream, run))
        whole = [checked(one) for one in log.read(Selection(stream=stream))]
        assert found == whole[: len(found)]
        assert {one.header.run for one in whole[len(found) :]} & {run} == set()
        event = gathering.opened(found, run)
        assert event is not None
        assert event.generation > 0


def test_values_in_specs_are_known() -> None:
    spec = {"stages": [{"patches": [{"patch": SECRET}]}]}
    found = gathering.records(planted(files={}, spec=spec), WANTED)
    assert VALUE in gathering.spelled(found)
    assert gathering.spelled(gathering.records(planted(files={"s.yaml": SECRET}), WANTED)) == set()
