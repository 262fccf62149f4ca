"""Writes `reconciler/adapters/memory/builtin.json` from Kubernetes' own OpenAPI v3 files.

Not run by any test: it needs the folder `api/openapi-spec/v3` of the Go module `k8s.io/kubernetes`, which the control
plane build leaves in Go's module cache. Facts only are kept: types, list and map types, merge keys, required fields,
defaults; no prose.

    python -m tests.contract.builtin_schema FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

TARGET = Path(__file__).parents[2] / "reconciler/adapters/memory/builtin.json"
KEPT = frozenset(
    {
        "type", "format", "required", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type", "x-kubernetes-patch-merge-key", "x-kubernetes-patch-strategy", "x-kubernetes-unions",
    }
)  # fmt: skip
#: The JSON schema of a CRD is recursive and is read as it is.
OPAQUE = ("apiextensions.v1.JSONSchemaProps", "meta.v1.FieldsV1", "runtime.RawExtension", "apiextensions.v1.JSON")


def short(name: str) -> str:
    """`io.k8s.api.apps.v1.Deployment` → `apps.v1.Deployment`."""
    return ".".join(name.split(".")[-3:])


def strip(schema: dict[str, Any]) -> dict[str, Any]:
    """The facts of one schema, recursively, with shortened references."""
    kept = {key: value for key, value in schema.items() if key in KEPT}
    kept.pop("x-kubernetes-unions", None)
    if kept.get("default") in ({}, ""):
        del kept["default"]
    for reference in [schema, *schema.get("allOf", [])]:
        if "$ref" in reference:
            kept["$ref"] = short(reference["$ref"].rsplit("/", 1)[1])
    if "properties" in schema:
        kept["properties"] = {name: strip(child) for name, child in schema["properties"].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            kept[word] = strip(schema[word])
    return kept


def references(schema: Any) -> list[str]:
    """All names that a stripped schema refers to."""
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [name for child in schema.values() for name in references(child)]
    return []


def collect(definitions: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    """The definitions of `kinds` and all that they refer to."""
    found: dict[str, Any] = {}
    todo = list(kinds)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = {} if name in OPAQUE else strip(definitions[name])
        todo.extend(references(found[name]))
    return dict(sorted(found.items()))


def main(path: str) -> None:
    """Writes the file and prints its size in bytes."""
    from reconciler.adapters.memory.kinds import BUILTIN

    definitions: dict[str, Any] = {}
    for file in sorted(Path(path).glob("api*_openapi.json")):
        schemas = msgspec.json.decode(file.read_bytes()).get("components", {}).get("schemas", {})
        definitions |= {short(name): schema for name, schema in schemas.items()}
    collected = collect(definitions, [kind.type_name for kind in BUILTIN])
    TARGET.write_bytes(msgspec.json.encode({"types": collected}))
    sys.stdout.write(f"{TARGET.name}: {len(collected)} types, {TARGET.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1])
