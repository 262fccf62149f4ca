"""One function per verb: an HTTP request on a resource becomes a call of the cluster, its result an answer.

Not authorization: the cluster was made for the request's identity and asks for itself.
"""

from __future__ import annotations

from typing import Any, cast, get_args

from aiohttp import web

from reconciler.adapters.memory import rbac, reading, status
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.kinds import Kind
from reconciler.adapters.memory.request import Write
from reconciler.adapters.sandbox import answers, tables
from reconciler.adapters.sandbox.routes import Target
from reconciler.errors import NotFound
from reconciler.ports.cluster import Cascade, PatchType, Ref, Scope

Object = dict[str, Any]
PATCHES: dict[str, PatchType] = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "json",
    "application/strategic-merge-patch+json": "strategic",
}


def ref_of(kind: Kind, target: Target) -> Ref:
    """The object that a path names."""
    return Ref(kind.api_version, kind.kind, target.namespace if kind.namespaced else "", target.name)


def scope_of(request: web.Request, kind: Kind, *, target: Target) -> Scope:
    """What a list or watch asks for; a name in the path selects that object."""
    fields = request.query.get("fieldSelector", "")
    if target.name:
        fields = ",".join(part for part in (f"metadata.name={target.name}", fields) if part)
    return Scope(
        kind.api_version, kind.kind, target.namespace if kind.namespaced else "",
        request.query.get("labelSelector", ""), fields, "PartialObjectMetadata" in _accept(request),
    )  # fmt: skip


def _accept(request: web.Request) -> str:
    """The media type that is asked for first: clients list those they prefer first."""
    return request.headers.get("Accept", "").split(",")[0]


def wants_table(request: web.Request) -> bool:
    return "as=Table" in _accept(request) and "v1beta1" not in _accept(request)


def write_of(request: web.Request, target: Target) -> Write:
    """How a write is to be made, from its query; the manager is the client's name when it says none."""
    query = request.query
    manager = query.get("fieldManager") or request.headers.get("User-Agent", "unknown").split("/")[0][:128]
    return Write(manager, query.get("dryRun") == "All", target.subresource, query.get("fieldValidation") == "Strict")


def shaped(cluster: MemoryCluster, request: web.Request, *, kind: Kind, obj: Object) -> Object:
    """One object as the request wants it: itself, its metadata, or a table of it."""
    if wants_table(request):
        return table_of(cluster, request, kind=kind, objects=[obj], meta={"resourceVersion": _version(obj)})
    if "PartialObjectMetadata" in _accept(request):
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return obj


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def table_of(
    cluster: MemoryCluster, request: web.Request, *, kind: Kind, objects: list[Object], meta: Object
) -> Object:
    """A table of objects of one kind."""
    served = cluster.world.catalog.custom(kind)
    made = tables.columns(kind, list(served.columns) if served else None)
    include = request.query.get("includeObject", "Metadata")
    return tables.table(made, objects, now=cluster.world.clock(), meta=meta, include=include)


async def get(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.Response:
    """GET of an object, or of a Pod's log."""
    if target.subresource == "log":
        return await _log(cluster, request, target=target)
    found = await cluster.get(ref_of(kind, target), subresource=target.subresource)
    return answers.json(shaped(cluster, request, kind=kind, obj=found))


async def _log(cluster: MemoryCluster, request: web.Request, *, target: Target) -> web.Response:
    if request.query.get("previous") == "true":
        raise status.unsupported("the log of a previous container")
    tail = int(request.query.get("tailLines") or 1_000_000)
    text = await cluster.logs(
        target.namespace, target.name, container=request.query.get("container", ""), tail_lines=tail
    )
    return web.Response(text=text[: int(request.query.get("limitBytes") or len(text))], content_type="text/plain")


async def create(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.Response:
    """POST to a collection, or a TokenRequest."""
    body = await answers.body_of(request)
    if target.subresource == "token":
        return await _token(cluster, target, body=body or {})
    if target.name or not isinstance(body, dict):
        return answers.plain(
            405, "the server does not allow this method on the requested resource", reason="MethodNotAllowed"
        )
    obj = _addressed(kind, target, body=body)
    return answers.json(
        shaped(cluster, request, kind=kind, obj=await cluster.create_as(obj, write_of(request, target))), code=201
    )


def _addressed(kind: Kind, target: Target, *, body: Object) -> Object:
    """The body as an object at the path. Raises `BadRequest` when the two do not agree."""
    if body.get("kind", kind.kind) != kind.kind or body.get("apiVersion", kind.api_version) != kind.api_version:
        found = f"{body.get('apiVersion')} {body.get('kind')}"
        raise status.bad_request(f"the body is {found}, but its path is that of {kind.api_version} {kind.kind}")
    meta = dict(body.get("metadata") or {})
    if kind.namespaced:
        if meta.get("namespace") and meta["namespace"] != target.namespace:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        meta["namespace"] = target.namespace
    if target.name and meta.setdefault("name", target.name) != target.name:
        raise status.bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({target.name})"
        )
    return {**body, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}


async def _token(cluster: MemoryCluster, target: Target, *, body: Object) -> web.Response:
    spec = body.get("spec") or {}
    token, expires = await cluster.token(
        target.namespace, target.name, expires_s=int(spec.get("expirationSeconds") or 3600)
    )
    answer = {
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {"name": target.name},
        "spec": spec, "status": {"token": token, "expirationTimestamp": expires},
    }  # fmt: skip
    return answers.json(answer, code=201)


async def replace(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.Response:
    """PUT."""
    obj = _addressed(kind, target, body=await answers.body_of(request) or {})
    return answers.json(
        shaped(cluster, request, kind=kind, obj=await cluster.replace_as(obj, write_of(request, target)))
    )


async def patch(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.Response:
    """PATCH, of all four kinds."""
    body = await answers.body_of(request)
    write = write_of(request, target)
    if request.content_type == "application/apply-patch+yaml":
        if not request.query.get("fieldManager"):
            raise status.bad_request(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
            )
        obj = _addressed(kind, target, body=body or {})
        done = await cluster.apply_as(obj, write, force=request.query.get("force") == "true")
    elif request.content_type in PATCHES:
        done = await cluster.patch_as(ref_of(kind, target), body, PATCHES[request.content_type], write)
    else:
        raise status.unsupported_media_type()
    return answers.json(shaped(cluster, request, kind=kind, obj=done))


class Options:
    """DeleteOptions, from the body or the query."""

    def __init__(self, request: web.Request, body: Object | None) -> None:
        given = body or {}
        conditions = given.get("preconditions") or {}
        self.uid: str = conditions.get("uid") or ""
        self.resource_version: str = conditions.get("resourceVersion") or ""
        cascade = given.get("propagationPolicy") or request.query.get("propagationPolicy") or "Background"
        if given.get("orphanDependents") or request.query.get("orphanDependents") == "true":
            cascade = "Orphan"
        if cascade not in get_args(Cascade):
            raise status.bad_request(f'invalid propagationPolicy "{cascade}"')
        self.cascade = cast(Cascade, cascade)
        self.dry_run = bool(given.get("dryRun")) or request.query.get("dryRun") == "All"


async def delete(cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target) -> web.Response:
    """DELETE of an object: a Status when it is gone, the object when it waits for finalizers."""
    options = Options(request, await answers.body_of(request))
    ref = ref_of(kind, target)
    uid = await _delete_one(cluster, kind, ref=ref, options=options)
    try:
        return answers.json(await cluster.as_user("system:masters", groups=("system:masters",)).get(ref))
    except NotFound:
        details = {"name": ref.name, "group": kind.group, "kind": kind.plural, "uid": uid}
        return answers.json(answers.success({k: v for k, v in details.items() if v}))


async def _delete_one(cluster: MemoryCluster, kind: Kind, *, ref: Ref, options: Options) -> str:
    entry = cluster.world.store.get(cluster.world.location(kind, ref.namespace, ref.name))
    uid = str(entry.obj["metadata"]["uid"]) if entry else ""
    if options.dry_run:
        await cluster.get(ref)
    else:
        await cluster.delete(ref, uid=options.uid, resource_version=options.resource_version, cascade=options.cascade)
    return uid


async def delete_collection(
    cluster: MemoryCluster, request: web.Request, *, kind: Kind, target: Target
) -> web.Response:
    """DELETE of everything in a scope."""
    options = Options(request, await answers.body_of(request))
    scope = scope_of(request, kind, target=target)
    asked = rbac.of(kind, "deletecollection", namespace=scope.namespace)
    if not rbac.allowed(cluster.world, cluster.identity, asked=asked):
        raise rbac.refuse(asked, cluster.identity)
    everything = cluster.as_user("system:masters", groups=("system:masters",))
    found = reading.list_objects(cluster.world, kind, scope=scope)
    for obj in found.items:
        meta = obj["metadata"]
        await _delete_one(
            everything,
            kind,
            ref=Ref(kind.api_version, kind.kind, meta.get("namespace", ""), meta["name"]),
            options=options,
        )
    return answers.json(
        {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": {}, "items": found.items}
    )
