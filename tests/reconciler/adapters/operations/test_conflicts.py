"""Refusals on MemoryCluster that the table does not have; see tests/contract/conflict_table.py for the others."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from reconciler import errors
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.faults import Script, unavailable
from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.claims import Claims
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.results import ApplyResult, Known
from reconciler.api import names
from reconciler.api.types.stage import Stage
from reconciler.compute.conflicts import choice_of
from reconciler.compute.order import ref_of, stamped
from reconciler.ports.cluster import Object, Ref
from tests.contract.colliding import MAKERS, define, gear
from tests.contract.memory import MemoryBench

OWNER = Owner(namespace="team", name="app")
LABELS = names.stage_labels(namespace="team", name="app", stage="s")
RECREATE, KEEP = {"force": True}, {"conflictPolicy": {"default": "KeepExisting"}}


class Bench(MemoryBench):
    """Applies as a stage does, with a policy."""

    def __init__(self) -> None:
        self.now = [1_700_000_000.0]
        self.memory = MemoryCluster(lambda: self.now[0])
        super().__init__(self.memory, self.memory, self.now)

    async def apply(self, *objects: Object, stage: dict[str, Any] | None = None, **options: Any) -> ApplyResult:
        made = msgspec.convert({"name": "s", "sourceRef": {"name": "s"}, **(stage or {})}, Stage)
        options = {
            "owner": OWNER,
            "sleep": self._sleep,
            "choose": lambda placed: choice_of(made, placed.manifest.obj, ref=placed.ref),
            **options,
        }
        manifests = [Manifest(obj=stamped(copy.deepcopy(obj), labels=LABELS), digest=repr(obj)) for obj in objects]
        return await apply_set(options.pop("cluster", self.cluster), manifests, options=ApplyOptions(**options))

    async def _sleep(self, seconds: float) -> None:
        self.now[0] += seconds
        await self.memory.tick()


def play(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def inside() -> None:
        bench = Bench()
        await bench.start()
        await scenario(bench)

    asyncio.run(inside())


def only(result: ApplyResult) -> Any:
    (failure,) = result.failures
    return failure


def test_what_nobody_adopted_is_not_deleted() -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        await bench.cluster.create(pair.before)
        result = await bench.apply(pair.after, stage=RECREATE)
        assert (result.ok, result.obstacles) == (False, ())
        assert "it is not labelled as an object of StageSet team/app" in result.message
        # It is kept where it need not be deleted.
        kept = await bench.apply(pair.after, stage=KEEP)
        assert [r.action for r in kept.results] == ["kept"]

    play(scenario)


def test_what_asks_to_be_left_alone_is_not_deleted() -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        await bench.apply(pair.before)
        note = {"metadata": {"annotations": {names.PRUNE: "disabled"}}}
        await bench.cluster.patch(pair.ref, note, type="merge")
        assert "it has stages.metio.wtf/prune: disabled" in (await bench.apply(pair.after, stage=RECREATE)).message

    play(scenario)


def test_what_would_be_lost_and_the_rule_that_allows_it_are_named() -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["claim"](bench)
        await bench.apply(pair.before)
        failure = only(await bench.apply(pair.after, stage=RECREATE))
        assert failure.reason == "ImmutableField"
        assert "not replaced by force, because the data of its volume would be lost with it" in failure.hint
        assert "{target: {kind: PersistentVolumeClaim, name: persistentvolumeclaim}, action: Recreate, " in failure.hint
        assert failure.hint.endswith("allowDataLoss: true}")

    play(scenario)


def test_a_replacement_that_is_refused_is_told_of() -> None:
    """The proof is there, but what is wanted cannot be made: its creator may not."""

    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        await bench.apply(pair.before)
        Script(bench.memory.hooks).add("create", errors.Forbidden("exceeded quota: pods"))
        result = await bench.apply(pair.after, stage=RECREATE)
        assert result.obstacles == ()
        assert "its replacement is refused too: exceeded quota: pods" in result.message

    play(scenario)


def test_all_that_is_in_the_way_is_found_at_once_and_nothing_is_deleted() -> None:
    async def scenario(bench: Bench) -> None:
        pairs = [MAKERS[name](bench) for name in ("service_cluster_ip", "service_node_port")]
        await bench.apply(*(pair.before for pair in pairs))
        result = await bench.apply(*(pair.after for pair in pairs), stage=RECREATE)
        assert [r.ref for r in result.obstacles] == [pair.ref for pair in pairs]
        assert all(r.uid == "" and r.obstacle for r in result.obstacles)
        assert "it is replaced, by force" in result.message
        assert bench.memory.hooks.counts.get("delete", 0) == 0

    play(scenario)


def test_nothing_is_replaced_where_something_else_failed() -> None:
    async def scenario(bench: Bench) -> None:
        pair, other = (MAKERS[name](bench) for name in ("service_cluster_ip", "service_node_port"))
        await bench.apply(pair.before, other.before)
        broken = copy.deepcopy(other.before)
        broken["spec"]["ports"] = [{"port": 70_000}]
        result = await bench.apply(pair.after, broken, stage=RECREATE)
        assert (result.ok, len(result.failures), result.obstacles) == (False, 2, ())

    play(scenario)


def test_what_is_kept_is_tried_again_and_never_counts_as_applied() -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        await bench.apply(pair.before)
        kept = await bench.apply(pair.after, stage=KEEP)
        (one,) = kept.results
        assert (kept.ok, one.action, one.owned, one.digest) == (True, "kept", True, "")
        assert kept.message == (
            "1 object applied: 1 kept; Job contract/once is kept as it is, by conflictPolicy.default: spec.template "
            "cannot change"
        )
        known = {one.id: Known(digest=one.digest, uid=one.uid, resource_version=one.resource_version)}
        found = await bench.apply(pair.after, stage=RECREATE, known=known)
        assert [r.obstacle for r in found.results] == [one.uid]

    play(scenario)


def test_what_keeps_existing_is_changed_where_it_can_be() -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        await bench.apply(pair.before, stage=KEEP)
        changed = copy.deepcopy(pair.before)
        changed["metadata"]["annotations"] = {"a": "b"}
        result = await bench.apply(changed, stage=KEEP)
        assert [r.action for r in result.results] == ["configured"]

    play(scenario)


@pytest.mark.parametrize("stage", [RECREATE, KEEP])
def test_what_is_on_its_way_out_is_neither_kept_nor_replaced(stage: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        pair = MAKERS["job_template"](bench)
        pair.before["metadata"]["finalizers"] = pair.after["metadata"]["finalizers"] = ["example.test/hold"]
        await bench.apply(pair.before)
        await bench.cluster.delete(pair.ref)
        failure = only(await bench.apply(pair.after, stage=stage))
        assert (failure.reason, failure.retryable) == ("Terminating", True)

    play(scenario)


def test_a_custom_resource_is_proved_with_what_others_have_on_it() -> None:
    """What is wrong is not the change: another hand's field breaks a rule together with ours."""

    async def scenario(bench: Bench) -> None:
        await define(bench)
        await bench.apply(gear(bench))
        paint = {"spec": {"paint": "red"}}
        ref = ref_of(gear(bench))
        await bench.cluster.patch(ref, paint, type="merge", manager="painter")
        result = await bench.apply(gear(bench, colour="red"), stage=RECREATE)
        assert (result.reason, result.obstacles) == ("Invalid", ())
        # Both at once: the change is refused, and what it would have become is, too.
        result = await bench.apply(gear(bench, colour="red", teeth=13), stage=RECREATE)
        assert (result.reason, result.obstacles) == ("Invalid", ())

    play(scenario)


def test_a_custom_resource_whose_old_fields_are_ours_is_proved_without_them() -> None:
    async def scenario(bench: Bench) -> None:
        await define(bench)
        await bench.apply(gear(bench, colour="red"))
        result = await bench.apply(gear(bench, paint="red", teeth=13), stage=RECREATE)
        assert len(result.obstacles) == 1

    play(scenario)


def test_what_cannot_be_looked_at_is_not_proved() -> None:
    async def scenario(bench: Bench) -> None:
        await define(bench)
        await bench.apply(gear(bench))
        script = Script(bench.memory.hooks)
        # Once for the look before, once for the proof.
        for _ in range(2):
            script.add("get", errors.Forbidden("may not get"))
        result = await bench.apply(gear(bench, teeth=13), stage=RECREATE)
        assert (result.reason, result.obstacles) == ("Invalid", ())
        script.add("create", unavailable())
        result = await bench.apply(gear(bench, teeth=13), stage=RECREATE)
        assert (result.retryable, result.obstacles) == (True, ())

    play(scenario)


def test_a_refusal_by_admission_is_never_a_proof() -> None:
    async def scenario(bench: Bench) -> None:
        await define(bench)
        await bench.apply(gear(bench))
        words = "admission webhook denied the request: spec.size: field is immutable"
        status = {"reason": "Invalid", "code": 422, "message": words, "details": {"causes": [{"message": words}]}}
        Script(bench.memory.hooks).add("apply", errors.Invalid(words, status=status))
        result = await bench.apply(gear(bench, size=2), stage=RECREATE)
        assert (result.reason, result.obstacles) == ("Invalid", ())

    play(scenario)


class Slow:
    """A cluster where others get a turn between a request and its answer."""

    def __init__(self, memory: MemoryCluster) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        async def late(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            return await getattr(self._memory, name)(*args, **options)

        return late


def test_two_stagesets_that_apply_the_same_new_object_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        claims, other = Claims(), Owner(namespace="team", name="other")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "both", "namespace": bench.namespace}}

        def claim(owner: Owner) -> Any:
            return lambda ids: claims.held(ids, cluster="", owner=owner)

        one, two = await asyncio.gather(
            bench.apply(config, claim=claim(OWNER), cluster=Slow(bench.memory)),
            bench.apply(config, claim=claim(other), owner=other, cluster=Slow(bench.memory)),
        )
        assert (one.ok, two.ok, two.reason, two.retryable) == (True, False, "OwnedByAnother", True)
        assert two.message == (
            "ConfigMap contract/both is being applied by StageSet team/app at this moment, and StageSet team/other "
            "renders it too: take it out of one of the two"
        )
        labels = (await bench.cluster.get(Ref("v1", "ConfigMap", bench.namespace, "both")))["metadata"]["labels"]
        assert labels[names.LABEL_NAME] == "app"
        # From then on the object itself tells.
        again = await bench.apply(config, claim=claim(other), owner=other)
        assert (again.reason, again.retryable) == ("OwnedByAnother", False)

    play(scenario)
