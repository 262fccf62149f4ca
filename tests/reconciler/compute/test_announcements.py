"""What people are told by Kubernetes Events, word for word."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.envelope import Draft
from reconciler.compute.announcements import announcement
from reconciler.folds.drift import FLAPPING_TIMES
from reconciler.state import State
from tests.reconciler.making import Stream, ids, opened


@pytest.mark.parametrize(
    ("event", "outcome", "told"),
    [
        (
            e.ActionFinished(hook="onFailure", action="tell", message="the server answered 500"),
            "failed",
            ("Warning", "OnFailureAction", "stage db: on-failure action: tell: the server answered 500"),
        ),
        (e.ActionFinished(hook="onFailure", action="tell"), "ok", None),
        (e.ActionFinished(hook="pre", action="tell", message="no"), "failed", None),
        (
            e.ActionHeld(hook="pre", action="a", message="a: it is not known"),
            "",
            ("Warning", "ActionHeld", "stage db: a: it is not known"),
        ),
        (
            e.ActionRevoked(action="seed", why="its witness is gone"),
            "",
            ("Normal", "LedgerInvalidated", "stage db: action seed counts as not done any more: its witness is gone"),
        ),
        (
            e.ActionAdopted(action="seed", scope="Lifetime", source="StageLedger shop/rel spec.baseline"),
            "",
            (
                "Normal",
                "LedgerAdopted",
                "stage db: action seed counts as done, as StageLedger shop/rel spec.baseline shows",
            ),
        ),
        (e.StageSetAdopted(shown_version=3, shown_head="", why="w"), "", ("Warning", "LedgerBehind", "w")),
        (e.StageSetReleased(), "", None),
        (e.RunSucceeded(), "", None),
    ],
)
def test_announcements(event, outcome, told):
    found = announcement(Draft(event=event, stage="db", outcome=outcome), ver=7, state=lambda: State(stream="s"))
    assert (found and (found.type, found.reason, found.message)) == told
    assert found is None or found.cause == "7"


A = ids("a")[0]


def drifted(mode: str = "Correct", message: str = "/data/x, by hpa", action: str = "changed") -> Draft:
    item = e.Item(id=A, v="v1", action=action, message=message)
    return Draft(event=e.DriftObserved(objects=[item], manager="hpa", mode=mode), stage="db")


def observed(stream: Stream, draft: Draft) -> tuple[str, str] | None:
    """What is told of a finding that was recorded just now."""
    stream.fact(draft.event, stage="db")
    found = announcement(draft, ver=7, state=lambda: stream.state)
    return None if found is None else (found.reason, found.message)


def ready() -> Stream:
    stream = Stream(db=("a", "b"))
    stream.fact(opened("db"))
    return stream.rest()


def test_what_is_left_so_is_told_when_it_is_seen():
    stream = ready()
    found = observed(stream, drifted("Warn"))
    text = "stage db: differs from what was applied: ConfigMap/shop/a (/data/x, by hpa)"
    assert found == ("DriftDetected", text)
    assert observed(stream, drifted("Warn", action="restored", message="")) is None


def test_what_is_corrected_is_told_once_it_is():
    stream = ready()
    assert observed(stream, drifted()) is None
    stream.fact(opened("db", trigger="drift"))
    stream.until("apply")
    applied = [
        e.Item(id=key, v="v1", action=how) for key, how in zip(ids("a", "b"), ("configured", "unchanged"), strict=True)
    ]
    found = announcement(
        Draft(event=e.ApplyFinished(objects=applied), stage="db", outcome="ok"), ver=7, state=lambda: stream.state
    )
    assert (found.type, found.reason) == ("Warning", "DriftCorrected")
    assert found.message == "stage db: corrected what others had changed: ConfigMap/shop/a (/data/x, by hpa)"
    assert (
        announcement(Draft(event=e.ApplyFinished(objects=applied), stage="db"), ver=7, state=lambda: ready().state)
        is None
    )


def test_what_flaps_is_told_when_it_is_given_up():
    stream = ready()
    for _ in range(FLAPPING_TIMES - 1):
        assert observed(stream, drifted()) is None
        stream.fact(opened("db", trigger="drift"))
        stream.rest()
    reason, text = observed(stream, drifted())
    assert reason == "DriftFlapping"
    assert text.startswith("stage db: not corrected any more, because each correction was undone: ConfigMap/shop/a (")
