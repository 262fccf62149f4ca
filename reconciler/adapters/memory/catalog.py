"""Which kinds are served now, and their types: the built-in ones and those of established CRDs.

Not discovery's documents; those are made from here. A CRD is served per version from when the CRD controller adds it
until the CRD is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.adapters.memory import celrules, schema, status
from reconciler.adapters.memory.kinds import BUILTIN, Kind
from reconciler.adapters.memory.schema import Schema

Object = dict[str, Any]


class Served(NamedTuple):
    """A version of a custom resource: its kind, type, printer columns and rules."""

    kind: Kind
    schema: Schema
    columns: list[Mapping[str, Any]]
    rules: list[celrules.Rule]


class Catalog:
    """Kinds by their names."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._plurals: dict[tuple[str, str, str], Kind] = {}
        self._custom: dict[tuple[str, str], Served] = {}
        for kind in BUILTIN:
            self._add(kind)

    def _add(self, kind: Kind) -> None:
        self._kinds[(kind.api_version, kind.kind)] = kind
        self._plurals[(kind.group, kind.version, kind.plural)] = kind

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def kind(self, api_version: str, kind: str) -> Kind:
        """Raises `NoSuchKind`."""
        found = self._kinds.get((api_version, kind))
        if found is None:
            raise status.no_such_kind(api_version, kind)
        return found

    def plural(self, group: str, version: str, plural: str) -> Kind | None:
        return self._plurals.get((group, version, plural))

    def schema(self, kind: Kind) -> Schema:
        """The type of a served kind, in the form that is stored."""
        if kind.storage == ("", "events"):
            # Both faces of an Event are stored as the older one.
            return schema.named("core.v1.Event")
        return schema.named(kind.type_name) if kind.type_name else self._custom[(kind.api_version, kind.kind)].schema

    def custom(self, kind: Kind) -> Served | None:
        """What a CRD says of the kind; None for built-in ones."""
        return self._custom.get((kind.api_version, kind.kind))

    def serve(self, served: list[Served]) -> None:
        """Adds or replaces versions of a custom resource."""
        for one in served:
            self._add(one.kind)
            self._custom[(one.kind.api_version, one.kind.kind)] = one

    def withdraw(self, group: str, plural: str, *, keep: frozenset[str] = frozenset()) -> None:
        """Stops serving a custom resource, all versions but those in `keep`."""
        for kind in [k for k in self if k.storage == (group, plural) and k.version not in keep and not k.type_name]:
            del self._kinds[(kind.api_version, kind.kind)]
            del self._plurals[(kind.group, kind.version, kind.plural)]
            del self._custom[(kind.api_version, kind.kind)]


def of_crd(crd: Mapping[str, Any]) -> list[Served]:
    """The versions that a CRD serves. Raises `Unsupported` for what is not imitated: webhooks, some CEL rules."""
    spec = crd["spec"]
    if (spec.get("conversion") or {}).get("strategy", "None") != "None":
        raise status.unsupported(f"conversion webhooks (CustomResourceDefinition {crd['metadata']['name']})")
    return [_version(spec, version) for version in spec["versions"] if version.get("served")]


def _version(spec: Mapping[str, Any], version: Mapping[str, Any]) -> Served:
    names = spec["names"]
    raw = (version.get("schema") or {}).get("openAPIV3Schema") or {"x-kubernetes-preserve-unknown-fields": True}
    subresources = version.get("subresources") or {}
    kind = Kind(
        spec["group"], version["name"], names["kind"], names["plural"], spec["scope"] == "Namespaced",
        tuple(names.get("shortNames") or ()), frozenset({"status"} & set(subresources)),
        tuple(names.get("categories") or ()), singular=names.get("singular") or names["kind"].lower(),
    )  # fmt: skip
    compiled = schema.of_crd(raw)
    return Served(kind, compiled, list(version.get("additionalPrinterColumns") or ()), celrules.collect(compiled))
