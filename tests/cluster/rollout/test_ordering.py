"""StageSets that wait for each other, across namespaces: a dependency that becomes ready, and a circle of two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.rollout.shop import NAME, STAGES, Shop
from tests.cluster.rollout.waiting import eventually


@pytest.fixture
def base(installed, controller, server, request) -> Iterator[Shop]:
    """Another tenant, whom the first one waits for."""
    with Shop(installed, controller, server, words=f"base {request.node.name}") as made:
        yield made


def publish(*shops: Shop) -> None:
    for one in shops:
        for name in STAGES:
            one.publish(name, "v1", {"config.yaml": one.config(name, "v1")})


def depends_on(shop: Shop) -> list[dict[str, str]]:
    return [{"name": NAME, "namespace": shop.namespace}]


def until_waiting(shop: Shop, reason: str, *words: str) -> None:
    def waits() -> bool:
        ready = shop.condition()
        return ready.get("reason") == reason and all(word in ready["message"] for word in words)

    eventually(waits, what=f"{reason} {words}", show=shop.story)


def test_a_release_starts_when_what_it_depends_on_is_ready(shop, base, controller):
    publish(shop)
    shop.release(dependsOn=depends_on(base))
    until_waiting(
        shop, "DependencyNotReady", f"StageSet {base.namespace}/{NAME} is not there, or not", "dependencynotready/"
    )
    said = shop.condition()["message"]
    base.release()
    # Nobody is told whether it is there in another namespace.
    eventually(lambda: base.stageset().get("status"), what="it is looked at", show=base.story)
    assert shop.condition()["message"] == said
    assert shop.revisions() == ["-"] * 3
    publish(base)
    base.until_ready(revision="v1")
    shop.until_ready(revision="v1")
    (done,) = [one["seq"] for one in controller.events(f"{base.namespace}/{NAME}") if one["type"] == "run.succeeded"]
    (began,) = [one for one in controller.events(f"{shop.namespace}/{NAME}") if one["type"] == "run.opened"]
    assert began["seq"] > done
    # What has been rolled out stays so, whatever becomes of what it depended on.
    base.merge({"spec": {"suspend": True}})
    eventually(lambda: base.condition().get("reason") == "Suspended", what="suspended", show=base.story)
    records = shop.records()
    shop.merge({"metadata": {"labels": {"looked-at": "again"}}})
    assert shop.condition()["status"] == "True"
    assert shop.records() == records


def test_a_circle_of_two_is_told_to_both_and_broken_by_either(shop, base):
    publish(shop, base)
    shop.release(dependsOn=depends_on(base))
    base.release(dependsOn=depends_on(shop))
    for one, other in ((shop, base), (base, shop)):
        way = f"{one.namespace}/{NAME} -> {other.namespace}/{NAME} -> {one.namespace}/{NAME}"
        until_waiting(one, "Stalled", way)
        assert one.condition("Stalled")["status"] == "True"
    shop.merge({"spec": {"dependsOn": None}})
    shop.until_ready(revision="v1")
    base.until_ready(revision="v1")
    assert base.condition("Stalled") == {}
