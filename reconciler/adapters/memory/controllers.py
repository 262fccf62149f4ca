"""Puts a world's controllers together, and what every cluster has from its first moment.

Not the controllers themselves. They all work in `World.tick`.
"""

from __future__ import annotations

from typing import Any

from reconciler.adapters.memory import ambient, crds, deletion, jobs, pods, registry, workloads
from reconciler.adapters.memory.policy import Workloads
from reconciler.adapters.memory.request import Write
from reconciler.adapters.memory.world import World

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_RBAC = "rbac.authorization.k8s.io"


def install(world: World, policy: Workloads) -> None:
    """Adds all controllers to an empty world."""
    deletion.install(world)
    crds.install(world)
    pods.install(world, policy)
    workloads.install(world, policy)
    jobs.install(world, policy)
    ambient.install(world, policy)


def bootstrap(world: World) -> None:
    """The namespaces and the role that every cluster has; their service accounts come with the first tick."""
    write = Write("kube-apiserver")
    for name in NAMESPACES:
        obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        registry.create(world, world.catalog.kind("v1", "Namespace"), obj=obj, write=write)
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    role: dict[str, Any] = {
        "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "cluster-admin", "labels": labels},
        "rules": everything,
    }  # fmt: skip
    binding: dict[str, Any] = {
        "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "cluster-admin", "labels": labels},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": _RBAC, "kind": "Group", "name": "system:masters"}],
    }  # fmt: skip
    for obj in (role, binding):
        registry.create(world, world.catalog.kind(f"{_RBAC}/v1", str(obj["kind"])), obj=obj, write=write)
