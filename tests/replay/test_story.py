from __future__ import annotations

import pytest

from replay.errors import Incompatible
from replay.story import story
from tests.replay import making, parts


def test_a_failed_run_is_told() -> None:
    log = making.failures()
    bundle = parts.parsed(making.bundle(log, *making.failed(log)))
    told = story(bundle.records, run=bundle.manifest.run)
    assert (told.outcome, told.trigger) == ("failed", "snapshot")
    assert told.failed is not None
    assert (told.failed.stage, told.failed.operation, told.failed.reason) == ("two", "fetch artifact", "DigestMismatch")
    assert told.message.startswith("stage two: fetch artifact: ")
    assert told.retry_at
    operations = [(one.stage, one.what, one.outcome) for one in told.moments if one.took_ms >= 0]
    assert operations[:5] == [("one", what, "ok") for what in ("connect", "fetch", "build", "apply", "verify")]
    assert operations[-1] == ("two", "fetch", "failed")
    assert all(one.took_ms > 0 for one in told.moments if one.outcome == "ok")
    assert [pin.stage for pin in told.pins] == ["one", "two", "three"]


def test_an_operation_without_an_answer_is_unanswered() -> None:
    log = making.failures()
    stream, run = making.failed(log)
    bundle = parts.parsed(making.bundle(log, stream, run))
    told = story(bundle.records[:-4], run=run)
    assert told.outcome == "unfinished"
    assert told.moments[-1].outcome == "unanswered"


def test_evidence_is_shown_where_there_is_some() -> None:
    log = making.failures()
    found = []
    for stream, run in making.runs(log):
        bundle = parts.parsed(making.bundle(log, stream, run))
        found += story(bundle.records, run=run).evidence
    assert any(one.type == "verify.finished" for one in found)


def test_an_event_that_is_not_known_is_incompatible() -> None:
    log = making.failures()
    bundle = parts.parsed(making.bundle(log, *making.failed(log)))
    other = parts.with_header(bundle.records[-1], type="of.tomorrow")
    with pytest.raises(Incompatible, match="newer stagesetctl"):
        story([*bundle.records[:-1], other], run=bundle.manifest.run)
