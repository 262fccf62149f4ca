"""A ledger that is older than the world, or another one, is told from one that has all that the world shows."""

from __future__ import annotations

import pytest

from ledger.envelope import Head
from ledger.events import CompletionShown, Item, StageShown
from reconciler.api.types import LedgerPosition
from reconciler.compute.behind import Sighting, behind, is_inside, sentence, sighting
from reconciler.compute.stageledger import StageLedgerShown
from reconciler.ports.hands import Target
from reconciler.state import State
from tests.reconciler.making import STREAM

TARGET = Target("shop", "rel", "0a1b2c3d")
HEAD = Head(12, "sha256:twelve")
STATE = State(stream=STREAM, version=12)


def seen(version: int, head: str = "sha256:x", stream: str = STREAM) -> Sighting:
    return Sighting(LedgerPosition(stream=stream, version=version, head=head), "status.ledger of StageSet shop/rel")


def stageledger(version: int, stream: str = STREAM) -> StageLedgerShown:
    position = LedgerPosition(stream=stream, version=version, head="sha256:y")
    return StageLedgerShown(namespace="shop", name="rel", position=position)


@pytest.mark.parametrize(
    "shown",
    [
        None,
        # The head, and one before it: that is asked of the record there.
        seen(12, "sha256:twelve"),
        seen(11),
        # Another stream of the same name: the StageSet was made again.
        seen(99, stream="stageset/shop/rel/another"),
    ],
)
def test_a_ledger_that_may_have_all_is_not_behind(shown: Sighting | None) -> None:
    assert behind(STATE, head=HEAD, shown=shown) == ""


def test_a_new_installation_is_not_behind() -> None:
    new = State(stream=STREAM)
    shown = sighting(TARGET, stream=STREAM, status=(0, ""), stageledger=None)
    assert shown is None
    assert behind(new, head=Head(), shown=shown) == ""
    # Nor is a StageSet that was made again where its StageLedger stayed.
    other = sighting(TARGET, stream=STREAM, status=(0, ""), stageledger=stageledger(40, "stageset/shop/rel/older"))
    assert other is None


def test_a_lost_ledger_is_behind() -> None:
    assert behind(State(stream=STREAM), head=Head(), shown=seen(57)) == (
        f"status.ledger of StageSet shop/rel shows version 57 of stream {STREAM}, and this ledger has no record of it"
    )


def test_an_older_copy_is_behind() -> None:
    assert behind(STATE, head=HEAD, shown=seen(13)).endswith("and this ledger has 12 records of it")


def test_another_record_in_the_place_of_the_head_is_another_ledger() -> None:
    assert "shows another record as version 12" in behind(STATE, head=HEAD, shown=seen(12))


def test_what_was_taken_over_is_not_behind_again() -> None:
    for version in (5, 12, 57):
        taken = State(stream=STREAM, version=12, adopted=f"{version}:sha256:x")
        assert behind(taken, head=HEAD, shown=seen(version)) == ""
        assert not is_inside(taken, seen(version))
        # A ledger that was lost once more shows another place.
        assert behind(taken, head=HEAD, shown=seen(60))


def test_a_place_before_the_head_is_to_be_compared() -> None:
    assert is_inside(STATE, seen(11))
    for shown in (None, seen(12), seen(13), seen(11, stream="stageset/shop/rel/another")):
        assert not is_inside(STATE, shown)


def test_the_stageledger_tells_where_the_status_is_gone() -> None:
    found = sighting(TARGET, stream=STREAM, status=(0, ""), stageledger=stageledger(40))
    assert found is not None
    assert (found.position.version, found.where) == (40, "status.ledger of StageLedger shop/rel")
    found = sighting(TARGET, stream=STREAM, status=(41, "sha256:x"), stageledger=stageledger(40))
    assert found is not None
    assert (found.position.version, found.where) == (41, "status.ledger of StageSet shop/rel")


def test_the_sentence_says_what_was_taken_over_and_what_to_do() -> None:
    stages = [
        StageShown(name="db", objects=[Item(id="a", v="v1")] * 3, executed=["a", "b"], executed_revision="v1"),
        StageShown(name="app", objects=[Item(id="b", v="v1")]),
    ]
    done = [CompletionShown(stage="db", action="migrate")]
    said = sentence("It is behind", stages=stages, completions=done)
    assert said.startswith("It is behind. So this ledger is older than the cluster")
    assert "2 stages with 4 objects, 2 executed actions and 1 completed Lifetime actions" in said
    assert "stagesetctl resolve" in said
