from __future__ import annotations

import asyncio
from typing import Any

from reconciler import errors
from reconciler.adapters.operations.events import warnings_about
from reconciler.ports.cluster import Object, Ref
from tests.reconciler.adapters.operations.scripted import Scripted

NODE = Ref("v1", "Namespace", "", "shop")
WEB = Ref("apps/v1", "Deployment", "shop", "web")


def event(name: str, namespace: str, regarding: dict[str, Any], **rest: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2023-11-14T22:00:00Z"}
    made = {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "type": "Warning", "message": name}
    return {**made, "involvedObject": regarding, **rest}


def gather(cluster: Scripted, *refs: Ref, uids: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    found = asyncio.run(warnings_about(cluster, uids=uids, refs=refs, notes=notes))
    return [e["note"] for e in found], notes


def test_events_about_cluster_scoped_objects_are_in_the_default_namespace() -> None:
    cluster = Scripted(event("e", "default", {"kind": "Namespace", "name": "shop"}))
    assert gather(cluster, NODE)[0] == ["e"]


def test_a_uid_decides_over_a_name() -> None:
    stale = {"kind": "Deployment", "namespace": "shop", "name": "web", "uid": "older"}
    ours = {**stale, "uid": "u"}
    cluster = Scripted(event("stale", "shop", stale), event("ours", "shop", ours))
    assert gather(cluster, WEB, uids=("u",))[0] == ["ours"]


def test_newest_first_by_whatever_time_there_is() -> None:
    named = {"kind": "Deployment", "namespace": "shop", "name": "web"}
    cluster = Scripted(
        event("created", "shop", named),
        event("series", "shop", named, series={"count": 3, "lastObservedTime": "2023-11-14T22:20:00.5Z"}),
        event("last", "shop", named, lastTimestamp="2023-11-14T22:10:00Z"),
        event("event", "shop", named, eventTime="2023-11-14T22:15:00.000000Z"),
    )
    assert gather(cluster, WEB)[0] == ["series", "event", "last", "created"]


def test_one_namespace_that_is_forbidden_does_not_hide_the_others() -> None:
    cluster = Scripted(event("e", "default", {"kind": "Namespace", "name": "shop"}))
    cluster.before = lambda verb, what: errors.Forbidden("no") if what.namespace == "shop" else None
    assert gather(cluster, NODE, WEB) == (["e"], ["the Events in namespace shop could not be read: no"])
