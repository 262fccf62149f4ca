"""A tenant whose StageSet rolls out to another cluster: the kubeconfig in its Secret, and what it may do over there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster.rollout.artifacts import ArtifactServer
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.front import Front
from tests.cluster.rollout.shop import Shop
from tests.controlplane.cluster import ControlPlane

SECRET, KEY = "workload-cluster", "value"
#: The account on the remote cluster that the kubeconfig is of.
GATEWAY = "gateway"
_RBAC = "rbac.authorization.k8s.io"


class RemotelyReaching(Controller):
    """The controller, which may reach clusters on this machine."""

    def __init__(
        self, plane: ControlPlane, folder: Path, *, artifact_hosts: tuple[str, ...], words: str = "controller"
    ) -> None:
        super().__init__(plane, folder, artifact_hosts=artifact_hosts, words=words)
        self._arguments.append("--allowed-cluster-hosts=127.0.0.1")


class RemoteShop(Shop):
    """A shop whose API is `front`: StageSets are at home, what they make is remote."""

    def __init__(self, front: Front, controller: Controller, server: ArtifactServer, *, words: str) -> None:
        plane: Any = front
        super().__init__(plane, controller, server, words=words)
        self.front = front
        prepare_target(front.remote, self.namespace)
        self.home = front.home.api
        write_secret(self, kubeconfig_of(front.remote, self.namespace))

    def release(self, **spec: Any) -> None:
        super().release(**{"kubeConfig": {"secretRef": {"name": SECRET}}, **spec})


def prepare_target(plane: ControlPlane, namespace: str) -> None:
    """An account over there that may act as the ServiceAccounts of the namespace, and do nothing else."""
    rules = [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}]
    base = f"/apis/{_RBAC}/v1/namespaces/{namespace}"
    meta = {"metadata": {"name": GATEWAY}}
    plane.api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", meta).ok()
    plane.api.post(f"{base}/roles", {**meta, "rules": rules}).ok()
    binding = {
        **meta,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": GATEWAY},
        "subjects": [{"kind": "ServiceAccount", "name": GATEWAY, "namespace": namespace}],
    }
    plane.api.post(f"{base}/rolebindings", binding).ok()


def kubeconfig_of(plane: ControlPlane, namespace: str) -> str:
    """The gateway's kubeconfig."""
    token = plane.token(namespace=namespace, service_account=GATEWAY)
    path = plane.layout.directory / f"{namespace}.kubeconfig"
    return plane.write_kubeconfig(path, token=token).read_text()


def write_secret(shop: Any, content: str, *, name: str = SECRET, key: str = KEY) -> None:
    """Put a kubeconfig, or whatever text, into the tenant's Secret at home."""
    path = f"/api/v1/namespaces/{shop.namespace}/secrets/{name}"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: content}}
    api = getattr(shop, "home", shop.api)
    api.delete(path)
    api.post(path.rpartition("/")[0], body).ok()
