"""What is in the way of an apply, by the shipped hands: found, deleted, made anew; kept; and never touched."""

from __future__ import annotations

import pytest

from ledger.events import ApplyFinished, ReplaceFinished
from reconciler.adapters.operations.existing import Owner
from reconciler.api import names
from reconciler.errors import NotFound
from reconciler.transitions import Phase
from tests.reconciler.adapters.hands.rollout import config_map, one_stage, run

RECREATE = {"conflictPolicy": {"default": "Recreate"}}
KEEP = {"conflictPolicy": {"default": "KeepExisting"}}


def sealed(value: str, **more: object) -> dict[str, object]:
    return {**config_map("a", key=value), "immutable": True, **more}


async def conflicted(rollout, **stage):
    """A stage that is ready, and whose next revision changes what cannot change."""
    rollout.open(one_stage(**stage), db=[sealed("1"), config_map("b")])
    await rollout.rest()
    before = await rollout.get("ConfigMap", "a")
    rollout.open(one_stage(**stage), db=[sealed("2"), config_map("b")])
    return before["metadata"]["uid"]


def test_what_is_in_the_way_is_deleted_and_made_anew():
    async def test(rollout):
        before = await conflicted(rollout, **RECREATE)
        await rollout.until("replace")
        found = rollout.answers["apply"].event
        assert isinstance(found, ApplyFinished)
        assert [(item.id, item.uid) for item in found.replace] == [("shop_a__ConfigMap", before)]
        assert "field is immutable" in found.replace[0].message
        # So far nothing is deleted.
        assert (await rollout.get("ConfigMap", "a"))["data"] == {"key": "1"}
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        after = await rollout.get("ConfigMap", "a")
        assert (after["data"], after["metadata"]["uid"] == before) == ({"key": "2"}, False)
        assert rollout.stream.state.stages["db"].owned["shop_a__ConfigMap"].uid == after["metadata"]["uid"]
        # The next run finds all as it is.
        rollout.open(one_stage(**RECREATE, timeout="3m"), db=[sealed("2"), config_map("b")])
        await rollout.rest()
        assert {item.action for item in rollout.answers["apply"].event.objects} == {"unchanged"}

    run(test)


@pytest.mark.parametrize("operation", ["replace", "apply"])
def test_a_restart_before_or_after_the_deletion_ends_in_its_existing_again(operation):
    async def test(rollout):
        await conflicted(rollout, **RECREATE)
        await rollout.until("replace")
        # Its answer is lost with the process.
        await rollout.performer.perform(rollout.order())
        rollout.restart()
        if operation == "apply":
            await rollout.perform(first=False)
            rollout.restart()
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        assert (await rollout.get("ConfigMap", "a"))["data"] == {"key": "2"}
        assert isinstance(rollout.answers["replace"].event, ReplaceFinished)
        assert [item.action for item in rollout.answers["replace"].event.objects] == ["gone"]

    run(test)


def test_what_is_kept_is_the_stages_and_is_changed_as_soon_as_it_can_be():
    async def test(rollout):
        before = await conflicted(rollout, **KEEP)
        await rollout.rest()
        assert rollout.stream.state.phase == Phase.READY
        assert "1 kept; ConfigMap shop/a is kept as it is" in rollout.answers["apply"].event.message
        live = await rollout.get("ConfigMap", "a")
        assert (live["data"], live["metadata"]["uid"]) == ({"key": "1"}, before)
        assert live["metadata"]["annotations"] == {names.KEEP_EXISTING: "true"}
        owned = rollout.stream.state.stages["db"].owned["shop_a__ConfigMap"]
        assert (owned.uid, owned.digest) == (before, "")
        # Nothing of the manifests changes, only the answer does.
        rollout.open(one_stage(**RECREATE), db=[sealed("2"), config_map("b")])
        await rollout.rest()
        assert (await rollout.get("ConfigMap", "a"))["data"] == {"key": "2"}

    run(test)


def test_without_a_policy_the_sentence_says_which_rule_would_help():
    async def test(rollout):
        before = await conflicted(rollout)
        await rollout.rest()
        failed = rollout.answers["apply"].event
        assert (failed.reason, failed.replace) == ("ImmutableField", [])
        rule = "in stages[].conflictPolicy.rules: {target: {kind: ConfigMap, name: a}, action: Recreate}"
        assert rule in failed.message
        assert (await rollout.get("ConfigMap", "a"))["metadata"]["uid"] == before

    run(test)


def test_an_object_that_is_not_ours_any_more_is_not_deleted():
    async def test(rollout):
        before = await conflicted(rollout, **RECREATE)
        await rollout.until("replace")
        live = await rollout.get("ConfigMap", "a")
        live["metadata"]["labels"] = {}
        await rollout.cluster.replace(live)
        await rollout.perform()
        assert "does not have the labels of StageSet shop/rel any more" in rollout.answers["replace"].event.message
        assert rollout.stream.state.failure.operation == "apply"
        assert (await rollout.get("ConfigMap", "a"))["metadata"]["uid"] == before

    run(test)


def test_what_another_stageset_is_applying_at_this_moment_is_refused_naming_both():
    async def test(rollout):
        rollout.open(one_stage(), db=[config_map("a"), config_map("b")])
        await rollout.until("apply")
        other = Owner(namespace="shop", name="other")
        with rollout.performer.claims.held(["shop_a__ConfigMap"], cluster="", owner=other):
            await rollout.perform()
        answer = rollout.answers["apply"].event
        assert (answer.reason, answer.retryable) == ("OwnedByAnother", True)
        assert "is being applied by StageSet shop/other at this moment, and StageSet shop/rel" in answer.message
        # Nothing is applied, also not what nobody else wants.
        with pytest.raises(NotFound):
            await rollout.get("ConfigMap", "b")

    run(test)
