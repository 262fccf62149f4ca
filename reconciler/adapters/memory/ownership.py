"""Who owns which field: `metadata.managedFields` decoded, and the rules by which updates and applies change it.

Pure. Semantics: structured-merge-diff v6 `merge/update.go` and apimachinery `managedfields`. One version per kind is
assumed: MemoryCluster does not convert between versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.adapters.memory import fieldset, typed
from reconciler.adapters.memory.fieldset import FieldSet
from reconciler.adapters.memory.schema import Schema

#: Never owned by anybody. Source: apimachinery `stripmeta.go`.
_STRIPPED: FieldSet = {
    "f:apiVersion": {}, "f:kind": {},
    "f:metadata": {".": {}, **{f"f:{name}": {} for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
        "resourceVersion")}},
}  # fmt: skip
#: More update managers than this are folded into `ancient-changes` by the API; here they are kept.
_STATUS_ONLY: FieldSet = {"f:status": {}}


class Manager(NamedTuple):
    """Identity of an owner. `api_version` is empty for appliers: they stay themselves across versions."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


class Owned(NamedTuple):
    """What a manager owns, in which version it said so, and when."""

    fields: FieldSet
    api_version: str
    time: str = ""


Managers = dict[Manager, Owned]


class FieldConflict(Exception):
    """An apply without force met fields that others own; `conflicts` are (manager, path) pairs, sorted."""

    def __init__(self, conflicts: list[tuple[Manager, str]]) -> None:
        super().__init__(conflict_message(conflicts))
        self.conflicts = conflicts

    @property
    def causes(self) -> list[dict[str, str]]:
        """As in the API's Status."""
        return [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
            for manager, path in self.conflicts
        ]


def conflict_message(conflicts: list[tuple[Manager, str]]) -> str:
    """The API's sentence. Source: apimachinery `managedfields/internal/conflict.go`."""
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    lines: list[str] = []
    for name in dict.fromkeys(str(manager) for manager, _ in conflicts):
        lines.append(f"conflicts with {name}:")
        lines.extend(f"- {path}" for manager, path in conflicts if str(manager) == name)
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def decode(entries: list[Mapping[str, Any]] | None) -> Managers:
    """`managedFields` of an object as managers."""
    managers: Managers = {}
    for entry in entries or ():
        operation = entry.get("operation", "Update")
        version = entry.get("apiVersion", "")
        key = Manager(
            entry.get("manager", ""), operation, "" if operation == "Apply" else version, entry.get("subresource", "")
        )
        managers[key] = Owned(entry.get("fieldsV1") or {}, version, entry.get("time", ""))
    return managers


def encode(managers: Managers) -> list[dict[str, Any]]:
    """Managers as `managedFields`, in the API's order: appliers first, then by time and name."""
    entries = []
    for manager, owned in sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0])):
        entry: dict[str, Any] = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": owned.api_version,
        }
        entry |= {"time": owned.time} if owned.time else {}
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": owned.fields}
        entries.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
    return entries


def visible(fields: FieldSet, subresource: str, *, has_status: bool) -> FieldSet:
    """Leaves out what a request to this sub-resource cannot change (`resetFields` of the API's strategies)."""
    if subresource == "status":
        return fieldset.only(fields, _STATUS_ONLY)
    return fieldset.without(fields, _STATUS_ONLY) if has_status else fields


def _visible(found: typed.Comparison, subresource: str, *, has_status: bool) -> typed.Comparison:
    return typed.Comparison(*(visible(part, subresource, has_status=has_status) for part in found))


class Writer(NamedTuple):
    """Who writes what: the manager, and the place that the request may change. `force` takes fields from others."""

    manager: Manager
    api_version: str
    has_status: bool
    time: str
    force: bool = True


def _yield_fields(managers: Managers, found: typed.Comparison, *, writer: Manager | None, force: bool) -> Managers:
    """Everyone but `writer` gives up what was changed or removed. Raises `FieldConflict` unless `force`."""
    changed = fieldset.union(found.modified, found.added)
    conflicts: list[tuple[Manager, str]] = []
    kept: Managers = {}
    for manager, owned in managers.items():
        fields = owned.fields
        if manager != writer:
            lost = fieldset.intersection(fields, changed)
            conflicts += [(manager, fieldset.render(path)) for path in fieldset.paths(lost)]
            fields = fieldset.difference(fieldset.difference(fields, lost), found.removed)
        if fields:
            kept[manager] = owned if fields is owned.fields else owned._replace(fields=fields)
    if conflicts and not force:
        raise FieldConflict(sorted(conflicts, key=lambda pair: (str(pair[0]), pair[1])))
    return kept


def update(live: Any, new: Any, *, schema: Schema, managers: Managers, writer: Writer) -> Managers:
    """Ownership after a create, replace or patch: the writer owns what it changed."""
    found = _visible(typed.compare(live, new, schema=schema), writer.manager.subresource, has_status=writer.has_status)
    if not any(found):
        return managers
    kept = _yield_fields(managers, found, writer=None, force=True)
    changed = fieldset.without(fieldset.union(found.modified, found.added), {})
    changed = fieldset.difference(changed, _STRIPPED)
    if changed:
        before = kept.get(writer.manager)
        fields = fieldset.union(before.fields, changed) if before else changed
        kept[writer.manager] = Owned(fields, writer.api_version, writer.time)
    return kept


def apply(live: Any, config: Any, *, schema: Schema, managers: Managers, writer: Writer) -> tuple[Any, Managers]:
    """Server-side apply: the merged object (the very `live` when nothing changed) and who owns what afterwards.

    Raises `FieldConflict` when `writer.force` is false and others own fields that would change.
    """
    merged = typed.merge(live, config, schema=schema)
    before = managers.get(writer.manager)
    wanted = visible(typed.fields_of(config, schema) or {}, writer.manager.subresource, has_status=writer.has_status)
    unstripped = fieldset.difference(wanted, _STRIPPED)
    mine = Owned(unstripped, writer.api_version, before.time if before else writer.time)
    after = {**managers, writer.manager: mine}
    if before and before.fields:
        merged = prune(merged, before.fields, managers={**managers, writer.manager: Owned(wanted, "")}, schema=schema)
    found = _visible(
        typed.compare(live, merged, schema=schema), writer.manager.subresource, has_status=writer.has_status
    )
    after = _yield_fields(after, found, writer=writer.manager, force=writer.force)
    if any(found) and writer.manager in after:
        after[writer.manager] = mine._replace(time=writer.time)
    return merged, after


def prune(merged: Any, last: FieldSet, *, managers: Managers, schema: Schema) -> Any:
    """Removes what was applied last time, is not applied now, and nobody else claims."""
    claimed: FieldSet = {}
    for owned in managers.values():
        claimed = fieldset.union(claimed, owned.fields)
    if not fieldset.difference(last, claimed):
        return merged
    named_last = typed.with_named_members(last, schema)
    everything = _all_named(merged, schema)
    left = _all_named(typed.remove(merged, named_last, schema=schema), schema)
    claimed = typed.with_named_members(claimed, schema)
    pruned = typed.remove(merged, fieldset.difference(everything, fieldset.union(left, claimed)), schema=schema)
    dangling = fieldset.difference(everything, _all_named(pruned, schema))
    return typed.remove(merged, fieldset.intersection(dangling, named_last), schema=schema)


def _all_named(value: Any, schema: Schema) -> FieldSet:
    return typed.with_named_members(typed.fields_of(value, schema) or {}, schema) if value else {}
