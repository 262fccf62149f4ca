"""What people are told by Kubernetes Events, word for word."""

from __future__ import annotations

import pytest

from ledger import events as e
from ledger.envelope import Draft
from reconciler.compute.announcements import announcement


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
        (
            e.StageSetReleased(left=[e.Item(id="shop_a__ConfigMap", v="v1", message="denied")]),
            "",
            ("Warning", "TeardownForced", "1 objects are left behind: shop_a__ConfigMap: denied"),
        ),
        (e.StageSetReleased(), "", None),
        (e.RunSucceeded(), "", None),
    ],
)
def test_announcements(event, outcome, told):
    found = announcement(Draft(event=event, stage="db", outcome=outcome), ver=7)
    assert (found and (found.type, found.reason, found.message)) == told
    assert found is None or found.cause == "7"


def test_a_long_list_is_cut():
    left = [e.Item(id=f"shop_{number}__ConfigMap", v="v1") for number in range(30)]
    found = announcement(Draft(event=e.StageSetReleased(left=left)), ver=1)
    assert found is not None
    assert " and 20 more: " in found.message
