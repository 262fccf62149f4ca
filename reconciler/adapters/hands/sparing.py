"""What an apply leaves to others: fields that they may change, and objects whose drift is only told of.

Not whether anything drifted. Invariant: an object that is not there is always made, and what nobody else has touched is
always applied.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from reconciler.adapters.hands.tools import Wire, stage_of
from reconciler.adapters.operations.existing import Live, read_existing
from reconciler.adapters.operations.manifests import Manifest
from reconciler.adapters.operations.pool import each
from reconciler.api import names
from reconciler.api.types import StageSetSpec
from reconciler.compute import drift
from reconciler.compute.inventory import entry_id
from reconciler.errors import NotFound
from reconciler.ports.cluster import Cluster, Ref
from reconciler.state import Owned, State

_REQUESTS_MAX = 4


class Spared(NamedTuple):
    """What is applied."""

    objects: tuple[Manifest, ...]
    #: by id: objects that are left as they are, seen as what was last applied
    live: dict[str, Live | None]


async def spared(cluster: Cluster, wire: Wire, *, state: State, stage: str) -> Spared:
    """The objects of a stage without what is left to others. Raises `ClusterError` leaves but refusals."""
    rules = _rules(state, stage)
    owned = {key: one for key, one in state.stages[stage].owned.items() if one.uid}
    here = {ref: owned[key] for ref in wire.refs if (key := entry_id(ref)) in owned}
    ruled = {ref: pointers for ref in here if (pointers := rules.pointers(ref))}
    live = await _left_alone(cluster, [ref for ref in here if _is_left_alone(state, rules, ref)], here)
    changed = {ref for ref in ruled if entry_id(ref) not in live}

    async def one(place: tuple[Ref, Manifest]) -> Manifest:
        ref, manifest = place
        if ref not in changed:
            return manifest
        try:
            found = await cluster.get(ref)
        except NotFound:
            return manifest
        obj = drift.spared(manifest.obj, found, ruled[ref], own=names.FIELD_MANAGER)
        return msgspec.structs.replace(manifest, obj=obj)

    objects = await each(zip(wire.refs, wire.objects, strict=True), one, limit=_REQUESTS_MAX)
    return Spared(tuple(objects), live)


def _rules(state: State, stage: str) -> drift.Rules:
    assert state.run is not None, "a stage is applied in a run"
    return drift.rules_of(stage_of(msgspec.convert(state.run.spec, StageSetSpec), stage).drift_detection)


def _is_left_alone(state: State, rules: drift.Rules, ref: Ref) -> bool:
    """Whether a run that corrects drift is not about this object."""
    if state.run is None or state.run.trigger != "drift":
        return False
    known = state.drifts.get(entry_id(ref))
    return rules.mode != "Correct" or rules.pointers(ref) is None or (known is not None and known.flapping)


async def _left_alone(cluster: Cluster, refs: list[Ref], owned: dict[Ref, Owned]) -> dict[str, Live | None]:
    found = await read_existing(cluster, refs, limit=_REQUESTS_MAX)
    return {
        entry_id(ref): msgspec.structs.replace(
            live, resource_version=owned[ref].rv, generation=owned[ref].generation or None
        )
        for ref, live in found.items()
        if live is not None and live.uid == owned[ref].uid
    }
