from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

import reconciler.decide
from ledger.envelope import decode_header
from ledger.upcast import decode
from reconciler.errors import OperationError
from replay import replayer
from replay.bundle.reading import Bundle
from replay.errors import Incompatible
from replay.replayer import replay
from tests.replay import making, parts


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    log = making.failures()
    return parts.parsed(making.bundle(log, *making.failed(log)))


def _seq_of(bundle: Bundle, tag: str) -> int:
    return next(one.seq for one in bundle.records if decode_header(one.header).type == tag)


def test_it_counts_what_was_compared(bundle: Bundle) -> None:
    verdict = replay(bundle.records, bundle.environment)
    assert verdict.verdict == "REPRODUCED"
    assert verdict.facts + verdict.decisions == len(bundle.records)
    assert 0 < verdict.states <= verdict.facts
    assert verdict.last_seq == bundle.manifest.last_seq
    assert verdict.notes == ()


def test_until_stops_after_the_append_with_the_position(bundle: Bundle) -> None:
    seq = _seq_of(bundle, "stage.failed")
    verdict = replay(bundle.records, bundle.environment, until=seq - 1)
    assert verdict.verdict == "REPRODUCED"
    assert verdict.last_seq >= seq


def test_other_code_is_told_from_other_input(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever recorded it had other code: the decision that is made otherwise now is of class CODE."""
    monkeypatch.setitem(reconciler.decide._NEXT, reconciler.decide.Phase.APPLIED, _longer)
    other = replace(bundle.environment, code="sha256:" + "0" * 64)
    for environment, kind in ((other, "CODE"), (bundle.environment, "INPUT")):
        verdict = replay(bundle.records, environment)
        assert verdict.divergence is not None
        assert verdict.divergence.kind == kind
        assert verdict.divergence.seq == _seq_of(bundle, "verify.intended")
        assert verdict.divergence.first.field == "body/deadline"
        assert verdict.divergence.fact_type == "apply.finished"
    assert "not the code" in replay(bundle.records, other).notes[0]


def _longer(state: Any, run: Any) -> Any:
    draft = reconciler.decide._applied(state, run)
    return replace(draft, event=replace(draft.event, deadline="2031-01-01T00:00:00.000Z"))


def test_only_the_form_of_the_state_is_of_class_schema(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.step.digests", SimpleNamespace(of=lambda _: "sha256:" + "1" * 64))
    verdict = replay(bundle.records, replace(bundle.environment, code="sha256:" + "0" * 64))
    assert verdict.divergence is not None
    assert (verdict.divergence.kind, verdict.divergence.first.field) == ("SCHEMA", "header.state")


def test_another_fold_is_not_compared_and_a_newer_one_not_followed(bundle: Bundle) -> None:
    older = replace(bundle.environment, folds=bundle.environment.folds - 1)
    verdict = replay(bundle.records, older)
    assert (verdict.verdict, verdict.states) == ("REPRODUCED", 0)
    assert "state digests were not compared" in verdict.notes[0]
    with pytest.raises(Incompatible, match="use a newer stagesetctl"):
        replay(bundle.records, replace(bundle.environment, folds=10_000))


def test_a_fact_that_cannot_be_there_is_told_at_its_position(bundle: Bundle) -> None:
    place = next(n for n, one in enumerate(bundle.records) if decode_header(one.header).type == "fetch.finished")
    fact = parts.with_header(bundle.records[place], intent=1)
    verdict = replay([*bundle.records[:place], fact], bundle.environment)
    assert verdict.divergence is not None
    assert (verdict.divergence.seq, verdict.divergence.first.field) == (fact.seq, "header.intent")
    verdict = replay([bundle.records[0], bundle.records[place]], bundle.environment)
    assert verdict.divergence is not None


def test_a_failure_of_step_is_told_and_not_raised(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise OperationError("a bug", reason="Bug", retryable=False)

    monkeypatch.setattr(replayer, "step", broken)
    verdict = replay(bundle.records, bundle.environment)
    assert verdict.divergence is not None
    assert "OperationError: a bug" in verdict.divergence.message


def test_an_event_of_a_newer_version_is_incompatible(bundle: Bundle) -> None:
    stored = bundle.records[0]
    assert decode(stored).event is not None
    other = stored._replace(body=(stored.body or b"{}")[:-1] + b',"of_tomorrow":1}')
    with pytest.raises(Incompatible, match="of_tomorrow") as found:
        replay([other], bundle.environment)
    assert found.value.seq == stored.seq
