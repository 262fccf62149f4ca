"""StageInventory: what a stage owns, as something that kubectl can list; a projection of the ledger.

The payload is in the spec so that backups of specs alone keep it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from reconciler.api.fields import Int32, says
from reconciler.api.types.metadata import ObjectMeta


class InventoryEntry(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One owned object."""

    id: Annotated[str, says("namespace_name_group_kind; an empty namespace is cluster-scoped, an empty group core.")]
    v: Annotated[str, says("API version of the object, without the group.")]


class StageInventorySpec(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A shard of what a stage owns."""

    stage_position: Annotated[Int32, says("Index of the stage in the StageSet's spec.")] = 0
    entries: Annotated[tuple[InventoryEntry, ...], says("Owned objects, sorted by id.")] = ()


class StageInventory(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Lists objects that a stage of a StageSet owns."""

    metadata: Annotated[ObjectMeta, says("Standard metadata.")]
    spec: Annotated[StageInventorySpec, says("A shard of what the stage owns.")] = StageInventorySpec()
    api_version: Annotated[str, says("Group and version: stages.metio.wtf/v1.")] = "stages.metio.wtf/v1"
    kind: Annotated[str, says("Kind: StageInventory.")] = "StageInventory"
