from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler import errors
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.replace import (
    TRIES_MAX,
    Obstacle,
    ReplaceOptions,
    ReplaceResult,
    replace_set,
)
from reconciler.api import names
from reconciler.compute.inventory import entry_id
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Cascade, Object, Ref
from tests.reconciler.adapters.operations.scripted import Pauses, Scripted

OWNER = Owner(namespace="team", name="app")
OURS = names.stage_labels(namespace="team", name="app", stage="s")


class Finalizing(Scripted):
    """What has finalizers stays, on its way out."""

    async def delete(
        self, ref: Ref, *, uid: str = "", resource_version: str = "", cascade: Cascade = "Background"
    ) -> None:
        live = self.objects.get(ref)
        if live is None or not live["metadata"].get("finalizers"):
            return await super().delete(ref, uid=uid, cascade=cascade)
        self._asked("delete", ref)
        live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


def obj(name: str = "a", *, labels: Any = None, **metadata: Any) -> Object:
    made = {"name": name, "namespace": "shop", "labels": OURS if labels is None else labels, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": made}


def obstacle(obj_: Object, uid: str = "") -> Obstacle:
    ref = ref_of(obj_)
    return Obstacle(id=entry_id(ref), ref=ref, uid=uid)


def run(cluster: Scripted, *obstacles: Obstacle, left_ms: int = 5_000, sleep: Any = None) -> ReplaceResult:
    pauses = sleep or Pauses()
    options = ReplaceOptions(owner=OWNER, left_ms=lambda: left_ms - int(sum(pauses.seconds) * 1000), sleep=pauses)
    return asyncio.run(replace_set(cluster, obstacles, options=options))


def all_of(cluster: Scripted) -> list[Obstacle]:
    return [obstacle(found, found["metadata"]["uid"]) for found in cluster.objects.values()]


def fates(result: ReplaceResult) -> list[str]:
    return [removal.fate for removal in result.removals]


def test_what_is_in_the_way_is_deleted_by_its_uid() -> None:
    cluster = Scripted(obj("a"), obj("b"))
    result = run(cluster, *all_of(cluster))
    assert (fates(result), result.message) == (["deleted"] * 2, "ConfigMap shop/a deleted, ConfigMap shop/b deleted")
    assert (cluster.objects, cluster.count("delete")) == ({}, 2)


def test_doing_it_again_is_harmless() -> None:
    cluster = Scripted(obj("a"))
    obstacles = all_of(cluster)
    run(cluster, *obstacles)
    assert fates(run(cluster, *obstacles)) == ["gone"]
    # What has its name by now is another one.
    cluster.put(obj("a"))
    assert fates(run(cluster, *obstacles)) == ["gone"]
    assert len(cluster.objects) == 1


def test_another_one_that_comes_in_between_is_not_deleted() -> None:
    cluster = Scripted(obj("a"))
    obstacles = all_of(cluster)

    def meanwhile(verb: str, what: Any) -> None:
        if verb == "delete":
            cluster.objects.clear()
            cluster.put(obj("a"))

    cluster.before = meanwhile
    assert fates(run(cluster, *obstacles)) == ["deleted"]
    assert len(cluster.objects) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"labels": {}}, "does not have the labels of StageSet team/app any more"),
        ({"labels": names.owner_labels(namespace="team", name="other")}, "belongs to StageSet team/other"),
        ({"annotations": {names.PRUNE: "disabled"}}, "has stages.metio.wtf/prune: disabled"),
    ],
)
def test_nothing_is_deleted_unless_all_may_be(changed: dict[str, Any], words: str) -> None:
    cluster = Scripted(obj("a"), obj("b", **changed), obj("c"))
    result = run(cluster, *all_of(cluster))
    assert (fates(result), result.retryable) == (["left", "failed", "left"], False)
    assert words in result.message
    assert cluster.count("delete") == 0


def test_nothing_is_deleted_by_whom_one_deletion_is_denied() -> None:
    cluster = Scripted(obj("a"), obj("b"))

    async def allowed(verb: str, ref: Ref, *, subresource: str = "") -> bool:
        return ref.name == "a"

    cluster.allowed = allowed  # type: ignore[method-assign]
    words = 'User "joe" cannot delete resource "configmaps" in API group "" in the namespace "shop"'
    cluster.before = lambda verb, what: errors.Forbidden(words) if verb == "delete" else None
    result = run(cluster, *all_of(cluster))
    assert (fates(result), result.failures[0].reason, result.retryable) == (["left", "failed"], "Forbidden", False)
    assert "give joe a Role" in result.message
    # Asked for once, of what is denied; the server's words are wanted.
    assert [name for verb, name in cluster.requests if verb == "delete"] == ["ConfigMap shop/b"]
    assert len(cluster.objects) == 2


def test_finalizers_that_keep_it_are_named() -> None:
    cluster = Finalizing(obj("a", finalizers=["example.test/hold"]), obj("b"))
    pauses = Pauses()
    result = run(cluster, *all_of(cluster), sleep=pauses)
    assert fates(result) == ["terminating", "deleted"]
    assert (result.failures[0].reason, result.retryable) == ("Terminating", True)
    assert result.message.startswith(
        "ConfigMap shop/a was deleted to be made anew, and is still there, kept by its finalizers example.test/hold; "
    )
    # Bounded looks, and to the deadline.
    assert sum(pauses.seconds) == pytest.approx(5.0, abs=0.01)
    assert cluster.count("get") < 20


def test_it_is_waited_for_as_long_as_there_is_time() -> None:
    cluster = Finalizing(obj("a", finalizers=["example.test/hold"]))
    result = run(cluster, *all_of(cluster), sleep=Pauses(lambda n: cluster.objects.clear() if n == 4 else None))
    assert fates(result) == ["deleted"]
    assert cluster.count("delete") == 1


def test_what_is_on_its_way_out_is_only_waited_for() -> None:
    cluster = Finalizing(obj("a", finalizers=["f"], deletionTimestamp="2026-01-01T00:00:00Z"))
    assert fates(run(cluster, *all_of(cluster))) == ["terminating"]
    assert cluster.count("delete") == 0


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_server_that_is_busy_is_asked_again(verb: str) -> None:
    cluster = Scripted(obj("a"))
    faults = iter([errors.Unavailable("gone for a moment"), errors.TooManyRequests("slow down", retry_after_s=1)])
    cluster.before = lambda found, what: next(faults, None) if found == verb else None
    assert fates(run(cluster, *all_of(cluster))) == ["deleted"]


def test_a_server_that_does_not_answer_is_tried_again_later() -> None:
    cluster = Scripted(obj("a"))
    cluster.before = lambda verb, what: errors.Unavailable("gone")
    result = run(cluster, *all_of(cluster))
    assert (fates(result), result.retryable) == (["failed"], True)
    assert cluster.count("get") == TRIES_MAX


def test_a_failure_that_comes_after_a_deletion_is_tried_again_soon() -> None:
    cluster = Scripted(obj("a"), obj("b"))
    denied = errors.Forbidden("no")
    cluster.before = lambda verb, what: denied if verb == "delete" and what.name == "b" else None
    result = run(cluster, *all_of(cluster))
    assert (fates(result), result.retryable) == (["deleted", "failed"], True)
