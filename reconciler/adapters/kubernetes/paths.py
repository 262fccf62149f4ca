"""URL paths and queries of the Kubernetes API.

Not a client. Invariant: a name taken from a manifest stays one path segment, whatever it holds.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from reconciler.errors import BadRequest
from reconciler.ports.cluster import Ref, Resource, Scope

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def group_path(api_version: str) -> str:
    """`/api/v1` for the core group, `/apis/<group>/<version>` for the others. Raises `BadRequest`."""
    group, slash, version = api_version.partition("/")
    if not slash:
        return f"/api/{_segment(group, 'apiVersion')}"
    return f"/apis/{_segment(group, 'apiVersion')}/{_segment(version, 'apiVersion')}"


def collection_path(resource: Resource, *, namespace: str) -> str:
    """Path of a list; an empty `namespace` means all of them. Raises `BadRequest` for a name that cannot be one."""
    base = group_path(resource.api_version)
    if resource.namespaced and namespace:
        return f"{base}/namespaces/{_segment(namespace, 'namespace')}/{resource.plural}"
    return f"{base}/{resource.plural}"


def object_path(resource: Resource, *, ref: Ref, subresource: str = "") -> str:
    """Path of one object. Raises `BadRequest` when its name or namespace is missing or cannot be a name."""
    require_namespace(resource, ref=ref)
    path = f"{collection_path(resource, namespace=ref.namespace)}/{_segment(ref.name, 'metadata.name')}"
    return f"{path}/{_segment(subresource, 'subresource')}" if subresource else path


def require_namespace(resource: Resource, *, ref: Ref) -> None:
    """Raise `BadRequest` for an object of a namespaced kind without a namespace: no default is assumed."""
    if resource.namespaced and not ref.namespace:
        raise BadRequest(f'{ref.kind} "{ref.name}" has no metadata.namespace, and {ref.kind} is namespaced; set it.')


def with_query(path: str, **parameters: str | int | bool) -> str:
    """`path` with the given query parameters; empty strings, zero and false are left out."""
    present = {key: "true" if value is True else value for key, value in parameters.items() if value}
    return f"{path}?{urlencode(present)}" if present else path


def scope_query(scope: Scope) -> dict[str, str | int | bool]:
    """The selectors of a list or watch as query parameters."""
    return {"labelSelector": scope.label_selector, "fieldSelector": scope.field_selector}


def _segment(value: str, field: str) -> str:
    """One path segment; the rule is apimachinery's `IsValidPathSegmentName`."""
    if _PLAIN.fullmatch(value):
        return value
    if not value or value in (".", "..") or "/" in value or "%" in value or not value.isprintable():
        raise BadRequest(f'{field} {value!r} cannot be a name: it must not be empty, ".", ".." or hold "/" or "%".')
    return quote(value, safe=":")
