"""Requests that are answered and not stored: may I, and who am I."""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import rbac
from reconciler.adapters.memory.cluster import MemoryCluster

Object = dict[str, Any]


def access(cluster: MemoryCluster, body: Object) -> Object:
    """SelfSubjectAccessReview."""
    spec = body.get("spec") or {}
    asked = spec.get("resourceAttributes") or {}
    if not asked:
        allowed = cluster.identity.unrestricted or spec.get("nonResourceAttributes", {}).get("path") in (
            "/version",
            "/api",
            "/apis",
        )
    else:
        words = ("verb", "group", "resource", "namespace", "name", "subresource")
        allowed = rbac.allowed(
            cluster.world, cluster.identity, asked=rbac.Attributes(*(asked.get(word, "") for word in words))
        )
    status = {"allowed": allowed} | ({} if allowed else {"reason": ""})
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": status,
    }


def identity(cluster: MemoryCluster) -> Object:
    """SelfSubjectReview: what `kubectl auth whoami` asks."""
    user = {"username": cluster.identity.user, "groups": sorted(cluster.identity.groups)}
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "status": {"userInfo": user},
    }
