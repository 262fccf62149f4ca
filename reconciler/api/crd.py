"""CustomResourceDefinitions (apiextensions.k8s.io/v1) made from the types.

Pure: data and text, nothing is written. Invariant: structural schemas without `$ref` and without unknown fields kept,
as the API server demands and prunes by.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from reconciler.api import names, schema
from reconciler.api.schema import Node
from reconciler.api.types import StageInventory, StageLedger, StageSet

VERSION: Final = "v1"
#: Tools of the field recognise a CRD of this family by it.
ANNOTATIONS: Final = {"controller-gen.kubebuilder.io/version": "v0.21.0"}
HEADER: Final = "# Made from reconciler/api/types by `make docs`; change the types, not this file.\n---\n"
_LENGTHS: Final = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}


class Column(NamedTuple):
    """A column of `kubectl get`."""

    name: str
    type: str
    json_path: str
    #: 0: always shown; 1: with `-o wide`
    priority: int = 0


class Crd(NamedTuple):
    """A kind of the API."""

    struct: type
    plural: str
    columns: tuple[Column, ...]
    #: Whether the status is written apart from the rest.
    has_status: bool
    short_names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Kind; also the name of the type."""
        return self.struct.__name__

    @property
    def file_name(self) -> str:
        """Name of the manifest."""
        return f"{names.GROUP}_{self.plural}.yaml"


_AGE: Final = Column("Age", "date", ".metadata.creationTimestamp")
CRDS: Final = (
    Crd(
        StageSet,
        "stagesets",
        (
            Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
            Column("Status", "string", '.status.conditions[?(@.type=="Ready")].message'),
            _AGE,
        ),
        has_status=True,
    ),
    Crd(
        StageInventory,
        "stageinventories",
        (Column("Stage", "string", r".metadata.labels.stages\.metio\.wtf/stage"), _AGE),
        has_status=False,
    ),
    Crd(
        StageLedger,
        "stageledgers",
        (Column("Completed", "string", ".status.completedActions[*].action", priority=1), _AGE),
        has_status=True,
        short_names=("sledger",),
    ),
)


def document(crd: Crd) -> dict[str, Any]:
    """The CustomResourceDefinition as an object."""
    kind = crd.kind
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in crd.columns],
        "schema": {"openAPIV3Schema": _root(schema.of(crd.struct))},
    }
    if crd.has_status:
        version["subresources"] = {"status": {}}
    called: dict[str, Any] = {"kind": kind, "listKind": f"{kind}List", "plural": crd.plural, "singular": kind.lower()}
    if crd.short_names:
        called["shortNames"] = list(crd.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{crd.plural}.{names.GROUP}", "annotations": dict(ANNOTATIONS)},
        "spec": {
            "group": names.GROUP,
            "names": called,
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    return {**found, "priority": column.priority} if column.priority else found


def text(crd: Crd) -> str:
    """The manifest, as YAML with sorted keys."""
    import yaml

    class Plain(yaml.SafeDumper):
        """Without anchors: the same limits at two places are written twice, as every reader of manifests expects."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return HEADER + yaml.dump(document(crd), Dumper=Plain, sort_keys=True, allow_unicode=True, width=120)


def node_schema(node: Node) -> dict[str, Any]:
    """The OpenAPI v3 schema of a value."""
    found: dict[str, Any] = {"type": "object" if node.kind == "map" else node.kind, **node.keywords}
    if node.description:
        found["description"] = node.description
    if node.pattern:
        found["pattern"] = node.pattern
    if node.enum:
        found["enum"] = list(node.enum)
    least, most = _LENGTHS.get(node.kind, ("minimum", "maximum"))
    found |= {key: limit for key, limit in ((least, node.least), (most, node.most)) if limit is not None}
    if node.item is not None:
        found["additionalProperties" if node.kind == "map" else "items"] = node_schema(node.item)
    if node.kind == "object":
        found["properties"] = {name: node_schema(part.node) for name, part in node.fields.items()}
        required = sorted(name for name, part in node.fields.items() if part.required)
        found |= {"required": required} if required else {}
    return found


def _root(node: Node) -> dict[str, Any]:
    """The whole object: `metadata` is the API server's own; nothing is required, so a bare object is stored."""
    found = node_schema(node)
    found.pop("required", None)
    found["properties"]["metadata"] = {"type": "object"}
    return found
