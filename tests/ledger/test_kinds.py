"""What events are: answers are facts, and every operation has its word."""

from __future__ import annotations

from ledger.events import BY_TAG, OPERATIONS
from ledger.kinds import Decision, Event, Fact, Finished


def test_an_event_is_a_fact_or_a_decision_and_never_both():
    for kind in BY_TAG.values():
        assert issubclass(kind, Fact) != issubclass(kind, Decision), kind


def test_what_ends_in_finished_is_an_answer():
    for tag, kind in BY_TAG.items():
        assert tag.endswith(".finished") == issubclass(kind, Finished), tag


def test_each_names_an_operation():
    for tag, kind in BY_TAG.items():
        assert kind.OP in OPERATIONS, tag
        assert issubclass(kind, Event)


def test_an_intent_is_a_decision_of_ours():
    for tag, kind in BY_TAG.items():
        if tag.endswith(".intended"):
            assert issubclass(kind, Decision), tag
