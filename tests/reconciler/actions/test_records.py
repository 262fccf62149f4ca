"""A ledger that is older than the world: what is shown is taken over, what is not ruled out is held."""

from __future__ import annotations

import pytest

from ledger import events as e
from reconciler.transitions import Phase
from tests.reconciler.actions.acting import Acted, http, job, job_item, wait, with_actions
from tests.reconciler.making import items

GIVEN = with_actions(
    "db", pre=[http("one"), wait("pause"), http("look", http={"url": "http://h.test", "method": "GET"})]
)


def shown(**fields):
    stage = e.StageShown(name="db", revision="v1", objects=items("old", "db"), **fields)
    return e.StageSetAdopted(shown_version=40, shown_head="sha256:x", why="it is behind", stages=[stage])


def test_what_the_status_shows_as_executed_is_not_performed_again():
    stream = Acted()
    stream.fact(shown(executed=["one", "pause", "look"], executed_revision="v1"))
    assert stream.state.asked == "restored"
    assert stream.state.adopted == "40:sha256:x"
    stream.start(GIVEN, trigger="restored")
    stream.rest()
    assert stream.performed == []
    assert stream.state.phase == Phase.READY


def test_what_it_does_not_show_is_held_unless_repeating_it_does_no_harm():
    stream = Acted()
    stream.fact(shown(executed=[], executed_revision="v1"))
    stream.start(GIVEN, trigger="restored")
    stream.rest()
    assert stream.performed == []
    assert "the ledger is older than the world" in stream.state.failure.message
    stream.fact(e.OperatorResolved(action="one", answer="not-done", reason="looked"), stage="db")
    stream.start(GIVEN, trigger="request")
    stream.rest()
    assert stream.performed == ["pre/one#1", "pre/pause#1", "pre/look#1"]


@pytest.mark.parametrize("revision", ["v0", ""])
def test_what_was_executed_for_another_revision_proves_nothing(revision):
    stream = Acted()
    stream.fact(shown(executed=["one"], executed_revision=revision))
    stream.start(GIVEN, trigger="restored")
    stream.rest()
    assert stream.performed == []
    assert stream.state.phase == Phase.FAILED


def test_a_later_snapshot_is_free():
    stream = Acted()
    stream.fact(shown(executed=["one"], executed_revision="v1"))
    for revision in ("v1", "v2"):
        stream.start(GIVEN, revision=revision)
        stream.rest()
    assert stream.performed == ["pre/pause#1", "pre/look#1", "pre/one#1", "pre/pause#1", "pre/look#1"]


def test_what_the_inventories_list_is_owned_and_what_is_dropped_is_pruned():
    stream = Acted()
    stream.fact(shown(executed=["one"], executed_revision="v1"))
    assert set(stream.owned("db")) == {"old", "db"}
    stream.start(GIVEN)
    stream.rest()
    (prune,) = stream.events(e.PruneIntended)
    assert [item.id for item in prune.objects] == ["shop_old__ConfigMap"]


def test_completions_are_taken_over_with_where_they_were_shown():
    stream = Acted()
    done = e.CompletionShown(stage="db", action="seed", origin="Baselined", completed_at="2030-01-01T00:00:00Z")
    stream.fact(e.StageSetAdopted(shown_version=1, shown_head="", why="w", completions=[done]))
    given = with_actions("db", pre=[http("seed", scope="Lifetime"), http("load", scope="Lifetime")])
    stream.start(given)
    stream.rest()
    assert stream.performed == []
    assert stream.state.failure.message.startswith("load: ")
    assert stream.state.completions["db/seed"].source.startswith("StageLedger")


def test_a_job_without_a_record_is_held():
    stream = Acted()
    stream.fact(shown())
    stream.start(with_actions("db", pre=[job("migrate")]))
    stream.rest()
    assert stream.performed == []
    assert stream.state.failure.reason == "ActionHeld"


def test_a_baselined_action_never_runs():
    stream = Acted()
    event = e.ActionAdopted(
        action="seed", scope="Lifetime", source="StageLedger shop/rel spec.baseline", origin="Baselined"
    )
    stream.fact(event, stage="db")
    stream.start(with_actions("db", pre=[http("seed", scope="Lifetime")]))
    stream.rest()
    assert stream.performed == []
    assert stream.state.phase == Phase.READY
    assert "Baselined, StageLedger shop/rel spec.baseline" in stream.events(e.ActionSkipped)[0].why


def test_what_an_older_copy_knows_as_failed_may_have_run_since_unless_what_it_made_can_be_looked_at():
    for seen, held in (((), True), ((job_item("m", "running"),), False)):
        stream = Acted()
        given = with_actions("db", pre=[job("migrate")])
        stream.start(given)
        stream.at("migrate").fail(objects=list(seen))
        stream.fact(shown())
        stream.start(given, trigger="restored")
        stream.until("action") if not held else stream.rest()
        assert bool([act for act in stream.state.acts.values() if act.doubt]) is held


def test_what_an_older_copy_has_pending_is_not_gone_on_with():
    stream = Acted()
    given = with_actions("db", pre=[http("one")])
    stream.start(given)
    stream.at("one")
    stream.fact(shown())
    assert stream.state.pending is None
    stream.start(given, trigger="restored")
    stream.rest()
    assert stream.performed == ["pre/one#1"]
    assert stream.state.failure.reason == "ActionHeld"
