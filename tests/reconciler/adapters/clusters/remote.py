"""Kubeconfigs in Secrets, and other MemoryClusters behind their servers' names."""

from __future__ import annotations

import base64
from typing import Any

import yaml

from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.compute.kubeconfig import Target
from reconciler.errors import ClusterError, Unavailable
from reconciler.ports.cluster import Cluster


def document(server: str, **user: Any) -> dict[str, Any]:
    """A kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "there",
        "contexts": [{"name": "there", "context": {"cluster": "there", "user": "us"}}],
        "clusters": [{"name": "there", "cluster": {"server": server}}],
        "users": [{"name": "us", "user": user or {"token": "t0ken"}}],
    }


def secret(name: str, content: Any, *, key: str = "value", namespace: str = "shop") -> dict[str, Any]:
    """A Secret with a kubeconfig, or with whatever text."""
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(text.encode()).decode()},
    }


class Remotes:
    """Clusters by server. `reach` is what `Clusters` is given; `made` has who was connected where."""

    def __init__(self, **clusters: MemoryCluster) -> None:
        self.clusters = {f"https://{name}.test": cluster for name, cluster in clusters.items()}
        self.made: list[tuple[str, str]] = []
        self.closed: list[tuple[str, str]] = []
        #: what every server answers, where it answers nothing else
        self.denied: ClusterError | None = None

    def reach(self, target: Target, *, where: str, user: str) -> Cluster:
        self.made.append((target.server, user))
        if target.server not in self.clusters:
            raise Unavailable(f"{target.server} could not be asked: its host name cannot be resolved.")
        return _Remote(self, self.clusters[target.server], self.made[-1])


def _as(cluster: MemoryCluster, user: str) -> MemoryCluster:
    return cluster.as_user(user) if user else cluster


class _Remote:
    """A client of a remote cluster, and whether it was closed."""

    def __init__(self, remotes: Remotes, cluster: MemoryCluster, made: tuple[str, str]) -> None:
        self._remotes, self._cluster, self._made = remotes, _as(cluster, made[1]), made
        self.spent = False

    async def version(self) -> Any:
        if self._remotes.denied is not None:
            raise self._remotes.denied
        return await self._cluster.version()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def close(self) -> None:
        self._remotes.closed.append(self._made)
