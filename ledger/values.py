"""The values inside events: parts of bodies that several kinds of them share.

As permanent as the events: a field is only ever added, with a default. Values never point back at what holds them.
"""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of the values inside events. They never point back at what holds them, so the collector need not look."""


class Pin(Value, frozen=True, kw_only=True):
    """One artifact that a run may use, as its source showed it when the run was opened."""

    #: the stage that uses it
    stage: str
    #: the action that uses it; empty for the stage's own source
    action: str = ""
    #: `Kind/namespace/name` of the source
    source: str
    #: where the artifact is served
    url: str = ""
    #: the source's word for what it is, such as `main@sha1:…`
    revision: str = ""
    #: `sha256:<64 hex>` over the artifact's bytes
    digest: str


class Item(Value, frozen=True, kw_only=True):
    """One object of the target cluster, and what an operation did to it or saw of it."""

    #: `namespace_name_group_kind`, the identity that StageInventory uses
    id: str
    #: API version without its group
    v: str
    uid: str = ""
    #: resource version and generation after the operation
    rv: str = ""
    generation: int = 0
    #: digest of the object as it was rendered, secret values as tokens
    digest: str = ""
    #: created, configured, unchanged, deleted, gone, skipped, failed, current, progressing, …
    action: str = ""
    message: str = ""


class StageShown(Value, frozen=True, kw_only=True):
    """What the world shows of a stage that this ledger has no record of."""

    name: str
    position: int = 0
    #: ServiceAccount that may delete what it has, should it not be in the spec any more
    service_account: str = ""
    #: revision that its status shows as applied
    revision: str = ""
    #: objects that its inventories list
    objects: list[Item] = []
    #: actions that its status shows as executed, for which revision
    executed: list[str] = []
    executed_revision: str = ""


class CompletionShown(Value, frozen=True, kw_only=True):
    """A completed Lifetime action that a StageLedger shows."""

    stage: str
    action: str
    #: Executed, or Baselined where somebody declared it done
    origin: str = "Executed"
    #: RFC 3339, UTC
    completed_at: str = ""
    anchor: Item | None = None
