"""Who is asking: bearer tokens and impersonation.

One token is the administrator's; the others were issued to service accounts by the cluster itself. A token is sent as a
bearer token or, since kubectl sends none without TLS, in front of the path: `/as/<token>/api/v1/…`.
"""

from __future__ import annotations

from hmac import compare_digest

from aiohttp import web

from reconciler import errors
from reconciler.adapters.memory import rbac, status
from reconciler.adapters.memory.cluster import MemoryCluster

PREFIX = "/as/"


def split(path: str) -> tuple[str, str]:
    """The token in front of a path, or nothing, and the rest of the path."""
    if not path.startswith(PREFIX):
        return "", path
    token, _, rest = path.removeprefix(PREFIX).partition("/")
    return token, f"/{rest}"


def authenticate(cluster: MemoryCluster, request: web.Request, *, token: str, admin_token: str) -> MemoryCluster:
    """The cluster as the request's user; a bearer token comes before `token`, the one of the path.

    Raises `Unauthorized`, or `Forbidden` for impersonation without the right.
    """
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else token
    if token and compare_digest(token.encode(), admin_token.encode()):
        found: MemoryCluster | None = cluster
    else:
        found = cluster.authenticate(token) if token else None
    if found is None:
        raise status.make(errors.Unauthorized, "Unauthorized")
    return _impersonated(found, request)


def _impersonated(cluster: MemoryCluster, request: web.Request) -> MemoryCluster:
    user = request.headers.get("Impersonate-User", "")
    if not user:
        return cluster
    groups = tuple(request.headers.getall("Impersonate-Group", []))
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        asked = rbac.Attributes("impersonate", "", "serviceaccounts", parts[2], parts[3])
    else:
        asked = rbac.Attributes("impersonate", "", "users", "", user)
    wanted = [asked, *(rbac.Attributes("impersonate", "", "groups", "", group) for group in groups)]
    for one in wanted:
        if not rbac.allowed(cluster.world, cluster.identity, asked=one):
            raise rbac.refuse(one, cluster.identity)
    return cluster.as_user(user, groups=groups)
