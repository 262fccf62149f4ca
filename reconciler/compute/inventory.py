"""What a stage owns, as the StageInventory objects that show it, and back.

Not the ownership itself: that is the fold of the ledger, and these objects are its projection. Invariant: the same
owned objects give the same shards, byte for byte, whatever their order.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from reconciler.api import names
from reconciler.compute.fields import dig, group_of, mapping, maps, strings, text
from reconciler.ports.cluster import Object, Ref

KIND = "StageInventory"
#: Entries of one shard: `--inventory-shard-cap`. An entry is about 100 bytes, an object may be 1.5 MiB.
SHARD_ENTRIES_MAX = 5000
_MARK_BYTES = 7


class StageOf(msgspec.Struct, frozen=True, kw_only=True):
    """A stage and the StageSet it belongs to."""

    namespace: str
    #: Name and UID of the StageSet.
    name: str
    uid: str
    stage: str


class Shard(NamedTuple):
    """What is kept of a shard: whose it is, and a short mark of all that we say in it."""

    stageset: str
    stage: str
    mark: int


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What stored shards say."""

    refs: tuple[Ref, ...]
    #: Entries that could not be read, as they are stored; they are skipped and counted in a metric.
    skipped: tuple[str, ...] = ()


def entry_id(ref: Ref) -> str:
    """`namespace_name_group_kind`: how an inventory and the ledger name an owned object, whatever its version."""
    return str(names.InventoryId(ref.namespace, ref.name, group_of(ref.api_version), ref.kind))


def ref_of_entry(entry_id: str, *, version: str) -> Ref | None:
    """The object that an entry names, or None where the entry is malformed."""
    found = names.parse_inventory_id(entry_id)
    if found is None or not version or "/" in version:
        return None
    api_version = f"{found.group}/{version}" if found.group else version
    return Ref(api_version, found.kind, found.namespace, found.name)


def shard_objects(
    refs: Iterable[Ref], *, of: StageOf, position: int, entries_max: int = SHARD_ENTRIES_MAX
) -> list[Object]:
    """The shards of a stage that owns `refs`; a stage that owns nothing has one empty shard."""
    versions = {entry_id(ref): ref.api_version.rpartition("/")[2] for ref in refs}
    entries = [{"id": key, "v": versions[key]} for key in sorted(versions)]
    chunks = [entries[at : at + entries_max] for at in range(0, len(entries), entries_max)] or [[]]
    return [_shard(of, position, entries=chunk, shard=shard) for shard, chunk in enumerate(chunks)]


def _shard(of: StageOf, position: int, *, entries: list[dict[str, str]], shard: int) -> Object:
    owner = {"apiVersion": names.API_VERSION, "kind": "StageSet", "name": of.name, "uid": of.uid}
    return {
        "apiVersion": names.API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": names.inventory_name(of.name, of.stage, shard),
            "namespace": of.namespace,
            "labels": names.inventory_labels(name=of.name, stage=of.stage, shard=shard),
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {"stagePosition": position, "entries": entries},
    }


def shard_of(found: Object) -> Shard:
    """A shard, desired or live, reduced: equal ones need no request. Labels and annotations of others do not count."""
    labels = strings(found, "metadata", "labels")
    said = (
        [labels.get(key, "") for key in (names.LABEL_STAGE_SET, names.LABEL_STAGE, names.LABEL_SHARD)],
        [_owner(reference) for reference in maps(found, "metadata", "ownerReferences")],
        {"stagePosition": 0, "entries": [], **mapping(found, "spec")},
    )
    mark = hashlib.sha256(msgspec.json.encode(said, order="sorted")).digest()[:_MARK_BYTES]
    stageset, stage, _ = said[0]
    return Shard(sys.intern(stageset), sys.intern(stage), int.from_bytes(mark, "big"))


def parse(stored: Iterable[Any]) -> Parsed:
    """The objects that stored shards list, sorted by id; unreadable entries are told apart."""
    found: dict[str, Ref] = {}
    skipped: list[str] = []
    for shard in stored:
        for entry in maps(shard, "spec", "entries"):
            key = text(entry, "id")
            ref = ref_of_entry(key, version=text(entry, "v"))
            if ref is None:
                skipped.append(key)
            else:
                found[key] = ref
    return Parsed(refs=tuple(found[key] for key in sorted(found)), skipped=tuple(skipped))


def _owner(reference: Mapping[str, Any]) -> tuple[str, str, str]:
    return text(reference, "kind"), text(reference, "name"), text(reference, "uid")


def replacement(desired: Object, live: Object) -> Object:
    """The desired shard over a live one: labels and annotations of others stay, and its resource version is stated."""
    metadata = {**desired["metadata"], "resourceVersion": text(live, "metadata", "resourceVersion")}
    metadata["labels"] = strings(live, "metadata", "labels") | desired["metadata"]["labels"]
    if isinstance(dig(live, "metadata", "annotations"), Mapping):
        metadata["annotations"] = strings(live, "metadata", "annotations")
    return {**desired, "metadata": metadata}
