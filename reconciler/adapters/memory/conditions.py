"""Conditions and status writes, as controllers make them."""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory.store import Entry, Location
from reconciler.adapters.memory.typed import same
from reconciler.adapters.memory.world import World

Object = dict[str, Any]


def condition(have: list[Object], new: Object, *, time: str, updated: bool = False) -> list[Object]:
    """The list with one condition set; its transition time moves only when its status changes.

    `updated` also keeps a `lastUpdateTime`, as Deployments do.
    """
    before = next((item for item in have if item["type"] == new["type"]), None)
    moved = before is None or before["status"] != new["status"]
    changed = moved or any(before and before.get(key) != new.get(key) for key in ("reason", "message"))
    if before is not None and not changed:
        return have
    full = {**new, "lastTransitionTime": time if moved or before is None else before["lastTransitionTime"]}
    if updated:
        full["lastUpdateTime"] = time
    return [full if item is before else item for item in have] if before else [*have, full]


def make(type_: str, status: bool | str, reason: str, message: str) -> Object:
    """A condition without its times."""
    text = status if isinstance(status, str) else ("True" if status else "False")
    return {"type": type_, "status": text, "reason": reason, "message": message}


def write_status(world: World, at: Location, *, entry: Entry, status: Object) -> None:
    """Writes a status, unless it is there already."""
    if not same(entry.obj.get("status"), status):
        world.store.put(at, {**entry.obj, "status": status})


def warn(world: World, obj: Object, *, reason: str, message: str) -> None:
    """Writes a Warning Event about an object, once per reason, as kubelet and controllers do."""
    meta = obj["metadata"]
    name = f"{meta['name']}.{reason.lower()}.{meta['uid'][-12:]}"
    at = Location(("", "events"), meta["namespace"], name)
    if world.store.get(at) is not None:
        return
    about = {
        "apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "namespace": meta["namespace"],
        "uid": meta["uid"],
    }  # fmt: skip
    now = world.time_text()
    world.store.put(
        at,
        {
            "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message, "count": 1,
            "involvedObject": about, "firstTimestamp": now, "lastTimestamp": now, "source": {"component": "kubelet"},
            "reportingComponent": "kubelet", "reportingInstance": "memory-node",
            "metadata": {
                "name": name, "namespace": meta["namespace"], "uid": world.new_uid(), "creationTimestamp": now,
            },
        },
    )  # fmt: skip
