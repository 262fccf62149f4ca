"""Addresses and node ports of Services: each is one Service's at a time.

Pure but for the store that is read. Source: `k8s.io/kubernetes/pkg/registry/core/service/storage/alloc.go`, v1.37, in
which a dry-run asks whether a port is free, and of an address not even that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.status import Cause, invalid
from reconciler.adapters.memory.store import Location
from reconciler.adapters.memory.world import World

Object = dict[str, Any]


def check(world: World, kind: Kind, *, at: Location, obj: Object, dry_run: bool) -> list[Cause]:
    """What a new Service asks for and another one has; also the one with its name, if there is one."""
    if kind.kind != "Service" or not kind.type_name:
        return []
    spec = obj.get("spec") or {}
    address = spec.get("clusterIP") or "None"
    if address == "None" and not any(_node_ports(spec)):
        return []
    others = [entry.obj.get("spec") or {} for _, entry in world.store.list(at.storage)]
    if not dry_run and address != "None" and any(other.get("clusterIP") == address for other in others):
        why = f"failed to allocate IP {address}: provided IP is already allocated"
        return [invalid("spec.clusterIPs", f'["{address}"]', message=why)]
    return list(_ports(spec, taken={port for other in others for port in _node_ports(other)}))[:1]


def _ports(spec: Object, *, taken: set[int]) -> Iterator[Cause]:
    for number, port in enumerate(spec.get("ports") or ()):
        wanted = port.get("nodePort")
        if wanted in taken:
            yield invalid(f"spec.ports[{number}].nodePort", str(wanted), message="provided port is already allocated")


def _node_ports(spec: Object) -> Iterator[int]:
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"]
