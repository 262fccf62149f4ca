"""Watches: resuming, selectors, metadata only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import pytest

from reconciler.errors import ClusterError
from reconciler.ports.cluster import Scope, WatchEvent
from tests.contract.bench import Bench, config, config_ref

PATIENCE_S = 20


async def _take(bench: Bench, scope: Scope, version: str, count: int) -> list[WatchEvent]:
    """The next events that are not bookmarks."""
    found: list[WatchEvent] = []
    events = cast(AsyncGenerator[WatchEvent, None], bench.cluster.watch(scope, resource_version=version))
    async with asyncio.timeout(PATIENCE_S), aclosing(events):
        async for event in events:
            if event.type != "BOOKMARK":
                found.append(event)
            if len(found) == count:
                break
    return found


def _names(events: list[WatchEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


async def every_change_arrives_in_order(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine")
    start = (await bench.cluster.list(scope)).resource_version
    await bench.cluster.create(config(bench, "a", labels={"mine": "1"}))
    await bench.cluster.patch(config_ref(bench, "a"), {"data": {"a": "2"}}, type="merge")
    await bench.cluster.delete(config_ref(bench, "a"))
    events = await _take(bench, scope, start, 3)
    assert _names(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert events[1].object["data"] == events[2].object["data"] == {"a": "2"}
    versions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


async def watches_resume_after_the_last_seen(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine")
    start = (await bench.cluster.list(scope)).resource_version
    await bench.cluster.create(config(bench, "a", labels={"mine": "1"}))
    await bench.cluster.create(config(bench, "b", labels={"mine": "1"}))
    first = await _take(bench, scope, start, 1)
    seen = first[0].object["metadata"]["resourceVersion"]
    assert _names(await _take(bench, scope, seen, 1)) == [("ADDED", "b")]


async def later_changes_arrive(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine")
    start = (await bench.cluster.list(scope)).resource_version
    waiting = asyncio.create_task(_take(bench, scope, start, 1))
    for _ in range(3):
        await asyncio.sleep(0)
    await bench.cluster.create(config(bench, "a", labels={"mine": "1"}))
    assert _names(await waiting) == [("ADDED", "a")]


async def selected_objects_come_and_go(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine=1")
    made = await bench.cluster.create(config(bench, "a", labels={"mine": "0"}))
    start = made["metadata"]["resourceVersion"]
    for value in ("1", "2"):
        await bench.cluster.patch(config_ref(bench, "a"), {"metadata": {"labels": {"mine": value}}}, type="merge")
    assert _names(await _take(bench, scope, start, 2)) == [("ADDED", "a"), ("DELETED", "a")]


async def one_object_by_its_name(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, field_selector="metadata.name=b")
    start = (await bench.cluster.list(scope)).resource_version
    await bench.cluster.create(config(bench, "a"))
    await bench.cluster.create(config(bench, "b"))
    assert _names(await _take(bench, scope, start, 1)) == [("ADDED", "b")]


async def metadata_only(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine", metadata_only=True)
    start = (await bench.cluster.list(scope)).resource_version
    await bench.cluster.create(config(bench, "a", labels={"mine": "1"}))
    event = (await _take(bench, scope, start, 1))[0]
    assert set(event.object) == {"apiVersion", "kind", "metadata"}
    assert event.object["kind"] == "ConfigMap"


async def without_a_version_it_begins_with_what_is_there(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace, label_selector="mine")
    await bench.cluster.create(config(bench, "a", labels={"mine": "1"}))
    assert _names(await _take(bench, scope, "", 1)) == [("ADDED", "a")]


async def nonsense_versions_are_refused(bench: Bench) -> None:
    scope = Scope("v1", "ConfigMap", bench.namespace)
    with pytest.raises(ClusterError) as caught:
        await _take(bench, scope, "nonsense", 1)
    assert 'Invalid value: "nonsense"' in caught.value.message
