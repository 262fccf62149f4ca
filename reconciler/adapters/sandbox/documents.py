"""Discovery and OpenAPI documents, made from what is served at the moment.

Pure. Legacy discovery only: clients that ask for the aggregated form fall back to it. OpenAPI v3 holds types without
prose, and says that writes take `fieldValidation`, which is what kubectl looks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.adapters.memory.catalog import Catalog
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.schema import raw_types

Object = dict[str, Any]

#: Groups of requests that are answered but not stored: group version, plural, kind.
REVIEWS = (
    ("authentication.k8s.io/v1", "selfsubjectreviews", "SelfSubjectReview"),
    ("authorization.k8s.io/v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
)


def _group_versions(catalog: Catalog) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    names = [kind.api_version for kind in catalog] + [review[0] for review in REVIEWS]
    for name in dict.fromkeys(names):
        group, _, version = name.rpartition("/")
        if group:
            groups.setdefault(group, []).append(version)
    return groups


def versions() -> Object:
    """`/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group(name: str, served: list[str]) -> Object:
    """`/apis/<group>`, without its kind."""
    forms = [{"groupVersion": f"{name}/{version}", "version": version} for version in served]
    return {"name": name, "versions": forms, "preferredVersion": forms[0]}


def groups(catalog: Catalog) -> Object:
    """`/apis`."""
    found = [group(name, served) for name, served in _group_versions(catalog).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def one_group(catalog: Catalog, name: str) -> Object | None:
    """`/apis/<group>`; None when it is not served."""
    served = _group_versions(catalog).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **group(name, served)} if served else None


def resources(catalog: Catalog, api_version: str) -> Object | None:
    """`/api/v1` and `/apis/<group>/<version>`; None when nothing of it is served."""
    found = [entry for kind in catalog if kind.api_version == api_version for entry in _resource(kind)]
    found += [
        {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
        for version, plural, kind in REVIEWS
        if version == api_version
    ]
    if not found:
        return None
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}


def _resource(kind: Kind) -> Iterable[Object]:
    entry: Object = {
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": list(kind.verbs),
    }  # fmt: skip
    yield (
        entry
        | ({"shortNames": list(kind.short)} if kind.short else {})
        | ({"categories": list(kind.categories)} if kind.categories else {})
    )
    for name in sorted(kind.subresources):
        below = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
        if name == "token":
            yield below | {
                "kind": "TokenRequest",
                "group": "authentication.k8s.io",
                "version": "v1",
                "verbs": ["create"],
            }
        else:
            yield below | {"kind": kind.kind, "verbs": ["get"] if name == "log" else ["get", "patch", "update"]}


def openapi_index(catalog: Catalog, version: int) -> Object:
    """`/openapi/v3`. `version` changes whenever the kinds do, and so do the addresses."""
    names = dict.fromkeys(kind.api_version for kind in catalog)
    paths = {("apis/" if "/" in name else "api/") + name: name for name in names}
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={version}"} for path in paths}}


def openapi(catalog: Catalog, api_version: str) -> Object | None:
    """`/openapi/v3/apis/<group>/<version>`; None when it is not served."""
    kinds = [kind for kind in catalog if kind.api_version == api_version]
    if not kinds:
        return None
    schemas: Object = {}
    paths: Object = {}
    for kind in kinds:
        name = kind.type_name or f"{'.'.join(reversed(kind.group.split('.')))}.{kind.version}.{kind.kind}"
        mark = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
        if kind.type_name:
            _add_types(schemas, kind.type_name)
            schemas[name] = {**schemas[name], "x-kubernetes-group-version-kind": mark}
        else:
            schemas[name] = {**catalog.schema(kind).raw, "x-kubernetes-group-version-kind": mark}
        paths[_path(kind)] = _operations(name, mark[0])
    info = {"title": "Kubernetes", "version": "memory"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _path(kind: Kind) -> str:
    base = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return (
        f"{base}/namespaces/{{namespace}}/{kind.plural}/{{name}}"
        if kind.namespaced
        else f"{base}/{kind.plural}/{{name}}"
    )


def _operations(name: str, mark: Object) -> Object:
    parameters = [
        {"name": word, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for word in ("dryRun", "fieldManager", "fieldValidation", "force")
    ]
    answer = {
        "200": {
            "description": "OK",
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        }
    }
    operation = {"parameters": parameters, "responses": answer, "x-kubernetes-group-version-kind": mark}
    return {
        "get": {**operation, "x-kubernetes-action": "get", "parameters": []},
        "put": {**operation, "x-kubernetes-action": "put"},
        "patch": {**operation, "x-kubernetes-action": "patch"},
    }


def _add_types(schemas: Object, name: str) -> None:
    if name in schemas:
        return
    schemas[name] = {}
    schemas[name] = _referring(raw_types()[name], schemas)


def _referring(raw: Any, schemas: Object) -> Any:
    if isinstance(raw, list):
        return [_referring(item, schemas) for item in raw]
    if not isinstance(raw, dict):
        return raw
    if isinstance(raw.get("$ref"), str):
        _add_types(schemas, raw["$ref"])
        rest = {k: v for k, v in raw.items() if k != "$ref"}
        return {**rest, "allOf": [{"$ref": f"#/components/schemas/{raw['$ref']}"}]}
    return {key: _referring(value, schemas) for key, value in raw.items()}
