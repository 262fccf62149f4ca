"""The StageLedger: what it shows is taken over once, what was taken back stays so, and it is seldom written."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger import events as e
from ledger.envelope import Head
from reconciler.api.types import LedgerPosition
from reconciler.compute.stageledger import (
    StageLedgerShown,
    desired,
    facts_of,
    invalid_baseline,
    lifetime_actions,
    position_of,
    shown_of,
)
from reconciler.state import Completion, State
from tests.reconciler.making import START_MS, STREAM, stage

HEAD = Head(7, "sha256:" + "7" * 64)
OTHER = "stageset/shop/rel/another"
WITNESS = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "db", "uid": "u1"}
ITEM = e.Item(id="shop_db_apps_Deployment", v="v1", uid="u1")


def lifetime(*names: str, **others: Any) -> dict[str, Any]:
    return {"pre": [{"name": name, "scope": "Lifetime", "wait": {}} for name in names], **others}


def spec(**actions: dict[str, Any]) -> bytes:
    """A spec with these stages and their actions."""
    return msgspec.json.encode({"stages": [stage(name, actions=found) for name, found in actions.items()]})


SPEC = spec(db=lifetime("migrate", "seed"))


def entry(action: str = "migrate", stage: str = "db", **fields: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "action": action,
        "origin": "Executed",
        "completedAt": "2030-01-01T00:00:00Z",
        **fields,
    }


def position(version: int, stream: str = STREAM) -> dict[str, Any]:
    return {"stream": stream, "version": version, "head": HEAD.hash}


def shown(*done: dict[str, Any], baseline: tuple[tuple[str, str], ...] = (), **status: Any) -> StageLedgerShown:
    return shown_of(
        {
            "metadata": {"namespace": "shop", "name": "rel", "uid": "u", "generation": 2, "resourceVersion": "9"},
            "spec": {"baseline": [{"stage": at, "action": name} for at, name in baseline]},
            "status": {**({"completedActions": list(done)} if done else {}), **status},
        }
    )


def state(*done: str, **fields: Any) -> State:
    completions = {f"db/{name}": Completion(stage="db", action=name, at="2030-01-01T00:00:00.000Z") for name in done}
    return State(stream=STREAM, version=7, now_ms=START_MS, completions=completions, **fields)


def adopted(*args: Any) -> list[tuple[str, str, str]]:
    found = facts_of(args[0], shown=args[1], spec=args[2] if len(args) > 2 else SPEC)
    return [(at, event.action, event.origin) for at, event in found]


# ── what is adopted ──────────────────────────────────────────────────────────────────────────────────────────────


def test_where_nothing_is_shown_nothing_is_adopted() -> None:
    assert adopted(state(), None) == []
    assert adopted(state(), shown()) == []


def test_a_completion_that_is_not_known_is_adopted_as_it_is_shown() -> None:
    ledger = shown(entry(anchor=WITNESS), entry("seed", origin="Baselined"), ledger=position(40, OTHER))
    first, second = facts_of(State(stream=STREAM), shown=ledger, spec=b"{}")
    assert first == (
        "db",
        e.ActionAdopted(
            action="migrate",
            scope="Lifetime",
            source="StageLedger shop/rel status.completedActions",
            completed_at="2030-01-01T00:00:00Z",
            origin="Executed",
            anchor=ITEM,
        ),
    )
    assert (second[0], second[1].action, second[1].origin) == ("db", "seed", "Baselined")


def test_a_completion_that_is_known_is_not_adopted() -> None:
    assert adopted(state("migrate"), shown(entry())) == []


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        # Written before, or with, the record that took it back.
        (position(30), []),
        (position(50), []),
        # Shown later, so somebody put it there again.
        (position(51), ["migrate"]),
        # Positions of another stream say nothing, and no position does not either.
        (position(30, OTHER), ["migrate"]),
        ({}, ["migrate"]),
    ],
)
def test_what_this_stream_took_back_is_not_adopted_again(ledger: dict[str, Any], expected: list[str]) -> None:
    taken_back = state(revoked={"db/migrate": 50})
    assert [action for _, action, _ in adopted(taken_back, shown(entry(), ledger=ledger))] == expected


def test_a_baseline_entry_is_adopted_where_it_names_a_lifetime_action() -> None:
    mixed = spec(
        db=lifetime("migrate", post=[{"name": "announce", "scope": "Lifetime"}], onFailure=[{"name": "undo"}]),
        app={"pre": [{"name": "migrate"}, {"name": "warm", "scope": "Revision"}]},
    )
    ledger = shown(
        baseline=(("db", "migrate"), ("db", "announce"), ("db", "undo"), ("app", "migrate"), ("app", "warm"), ("x", ""))
    )
    assert adopted(state(), ledger, mixed) == [("db", "migrate", "Baselined"), ("db", "announce", "Baselined")]
    (_, event), _ = facts_of(state(), shown=ledger, spec=mixed)
    assert event.source == "StageLedger shop/rel spec.baseline"


def test_what_was_executed_is_not_baselined_as_well() -> None:
    ledger = shown(entry(), baseline=(("db", "migrate"), ("db", "migrate")))
    assert adopted(state(), ledger) == [("db", "migrate", "Executed")]
    assert adopted(state("migrate"), ledger) == []


def test_a_spec_that_cannot_be_read_has_no_lifetime_actions() -> None:
    for broken in (b"", b"Lifetime", b'{"stages":"Lifetime"}', b'{"stages":[{"name":1,"x":"Lifetime"}]}'):
        assert lifetime_actions(broken) == frozenset()
    # Whatever else is wrong with it.
    assert lifetime_actions(
        b'{"interval":7,"stages":[{"name":"db","actions":{"pre":[{"name":"a","scope":"Lifetime"}]}}]}'
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"stage": "db"},
        entry(stage="Db\n"),
        entry(""),
        entry(stage=""),
        "migrate",
        None,
    ],
)
def test_entries_that_cannot_be_read_are_left_out(broken: Any) -> None:
    assert shown(broken).completions == ()


def test_an_entry_is_kept_without_what_cannot_be_read_of_it() -> None:
    broken = entry(origin="?", completedAt="soon", anchor={**WITNESS, "apiVersion": "a/b/c"})
    (found,) = shown(broken, entry("seed", anchor={**WITNESS, "uid": ""})).completions[:1]
    assert found == e.CompletionShown(stage="db", action="migrate", origin="Executed")
    assert shown(entry("seed", anchor={**WITNESS, "uid": ""})).completions[0].anchor is None


def test_a_position_is_read_where_there_is_one() -> None:
    assert position_of({"status": {"ledger": position(3)}}) == LedgerPosition(stream=STREAM, version=3, head=HEAD.hash)
    for broken in (
        {},
        {"status": {"ledger": {"stream": STREAM}}},
        {"status": {"ledger": {**position(3), "version": 0}}},
    ):
        assert position_of(broken) is None


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────


def wanted(found: State, ledger: StageLedgerShown | None, raw: bytes = SPEC) -> dict[str, Any] | None:
    return desired(found, shown=ledger, spec=raw, head=HEAD)


def test_it_is_made_only_where_there_is_something_to_remember() -> None:
    plain = spec(db={"pre": [{"name": "warm"}]})
    assert wanted(state(), None, plain) is None
    assert wanted(state(), None) is not None
    assert wanted(state("migrate"), None, plain) is not None
    # One that is there is kept true.
    assert wanted(state(), shown(), plain) is not None
    # Before the first record there is nothing to say.
    assert wanted(State(stream=STREAM), shown(entry())) is None


def test_it_shows_the_completions() -> None:
    found = state("seed", "migrate")
    witnessed = Completion(stage="app", action="go", origin="Baselined", anchor=ITEM)
    found = msgspec.structs.replace(found, completions={**found.completions, "app/go": witnessed})
    status = wanted(found, None)
    assert status is not None
    assert status["completedActions"] == [
        {
            "stage": "app",
            "action": "go",
            "origin": "Baselined",
            "completedAt": "1970-01-01T00:00:00Z",
            "anchor": WITNESS,
        },
        entry("migrate", completedAt="2030-01-01T00:00:00.000Z"),
        entry("seed", completedAt="2030-01-01T00:00:00.000Z"),
    ]
    assert status["ledger"] == position(7)


def test_what_it_shows_is_read_back_as_it_was() -> None:
    done = Completion(stage="db", action="migrate", at="2030-01-01T00:00:00.000Z", anchor=ITEM)
    before = State(stream=OTHER, version=7, now_ms=START_MS, completions={"db/migrate": done})
    status = wanted(before, None)
    ((_, event),) = facts_of(State(stream=STREAM), shown=shown_of({"status": status}), spec=b"{}")
    assert (event.completed_at, event.origin) == (done.at, "Executed")
    assert event.anchor is not None
    assert event.anchor.uid == "u1"


def test_it_is_not_written_for_every_record() -> None:
    status = wanted(state("migrate"), shown())
    assert status is not None
    after = msgspec.structs.replace(state("migrate"), version=900, now_ms=START_MS + 1)
    assert wanted(after, shown(**status)) == status
    # It is when anything else differs, with the place that this was made from.
    more = msgspec.structs.replace(state("migrate", "seed"), version=900)
    found = wanted(more, shown(**status))
    assert found is not None
    assert (found["ledger"]["version"], len(found["completedActions"])) == (900, 2)


def test_what_somebody_wrote_into_it_is_written_over() -> None:
    status = wanted(state("migrate"), shown())
    assert status is not None
    for foreign in (
        {**status, "completedActions": []},
        {**status, "ledger": position(7, OTHER)},
        {**status, "ledger": {"stream": STREAM}},
        {**status, "ledger": position(8)},
        {key: value for key, value in status.items() if key != "ledger"},
    ):
        assert wanted(state("migrate"), shown(**foreign)) == status


def test_the_condition_says_which_entries_of_the_baseline_mean_nothing() -> None:
    status = wanted(state("migrate"), shown(baseline=(("db", "migrate"), ("db", "gone"), ("nowhere", "seed"))))
    assert status is not None
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("BaselineValid", "False", "Unresolved")
    assert condition["observedGeneration"] == 2
    assert condition["message"] == invalid_baseline(status)
    assert condition["message"] == (
        "spec.baseline: db/gone, nowhere/seed: the StageSet has no pre or post action of that name with scope Lifetime "
        "in that stage; correct the entry, or take it out"
    )
    good = wanted(state("migrate"), shown(baseline=(("db", "migrate"),)))
    assert good is not None
    assert (good["conditions"][0]["status"], good["conditions"][0]["reason"]) == ("True", "AllResolved")
    assert invalid_baseline(good) == ""


def test_what_was_baselined_before_its_action_left_the_spec_is_resolved() -> None:
    status = wanted(state("migrate"), shown(baseline=(("db", "migrate"),)), b"{}")
    assert status is not None
    assert invalid_baseline(status) == ""


def test_the_time_of_the_condition_is_that_of_its_last_change() -> None:
    first = wanted(state(), shown(baseline=(("db", "gone"),)))
    assert first is not None
    assert first["conditions"][0]["lastTransitionTime"] == "2030-03-17T17:46:40Z"
    later = msgspec.structs.replace(state(), now_ms=START_MS + 60_000)
    still = wanted(later, shown(baseline=(("db", "gone"), ("db", "gone2")), **first))
    fine = wanted(later, shown(**first))
    assert still is not None
    assert fine is not None
    assert still["conditions"][0]["lastTransitionTime"] == "2030-03-17T17:46:40Z"
    assert fine["conditions"][0]["lastTransitionTime"] == "2030-03-17T17:47:40Z"


def test_a_long_list_is_cut() -> None:
    many = tuple(("db", f"gone{number}") for number in range(30))
    status = wanted(state(), shown(baseline=many))
    assert status is not None
    assert "db/gone9 and 20 more:" in invalid_baseline(status)
