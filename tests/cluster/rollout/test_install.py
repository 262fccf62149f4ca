"""docs/how-to/install.md as somebody follows it on a new cluster, every command and every manifest of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.adapters.memory.flux import source_crds
from tests.cluster.rollout import pages
from tests.cluster.rollout.artifacts import ArtifactServer, archive, digest
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.installed import ROOT, install
from tests.cluster.rollout.shop import SOURCES, STAGES, Shop
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

PAGE = "how-to/install.md"
_MANIFEST = re.compile(r"^`(\w+\.yaml)`:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def new_cluster(control_plane_binaries: Path) -> Iterator[ControlPlane]:
    """A cluster of its own: the page ends with removing everything. With Flux, and a volume for whoever asks."""
    with ControlPlane(control_plane_binaries) as plane:
        kubectl = Kubectl(kubeconfig=plane.kubeconfig, namespace="default")
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "one"},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/nonexistent"},
            },
        }
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}}, volume)
        kubectl.apply(*source_crds())
        yield plane


def _publish(plane: ControlPlane, server: ArtifactServer) -> None:
    """The GitRepository that the page speaks of."""
    meta = {"namespace": "shop"}
    files = {
        f"{name}/config.yaml": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {}}
        for name in ("database", "backend", "frontend")
    }
    body = server.bodies["/shop.tar.gz"] = archive(files)
    path = f"{SOURCES}/namespaces/shop/gitrepositories/shop"
    api_version = "source.toolkit.fluxcd.io/v1"
    plane.api.apply(path, {"apiVersion": api_version, "kind": "GitRepository", "metadata": {"name": "shop"}}).ok()
    when = "2030-01-31T12:00:00Z"
    artifact = {"url": server.url("/shop.tar.gz"), "digest": digest(body), "revision": "main@sha1:1", "path": "x"}
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": when}
    status = {"artifact": {**artifact, "lastUpdateTime": when}, "conditions": [ready]}
    plane.api.merge(f"{path}/status", {"status": status}).ok()


def test_the_page_from_beginning_to_end(new_cluster, tmp_path):
    text = (ROOT / "docs" / PAGE).read_text()
    for name, manifest in _MANIFEST.findall(text):
        (tmp_path / name).write_text(manifest)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(new_cluster.kubeconfig),
    }

    def type_in(command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    found = pages.sections(PAGE)
    for command in found["install"].look:
        type_in(command)
    with ArtifactServer() as server, Controller(new_cluster, tmp_path, artifact_hosts=(server.host,)):
        for command in found["a-tenant"].look:
            type_in(command)
        _publish(new_cluster, server)
        said = [type_in(command) for command in found["a-first-release"].look]
        assert "release   True    3 of 3 stages are ready" in said[2]
        assert len(said[3].splitlines()) == 4
        for command in found["remove-it"].look:
            type_in(command)
    left = type_in("kubectl get crd,clusterrole,clusterrolebinding,namespace -o name")
    assert "stageset" not in left
    assert type_in("kubectl -n shop get configmaps -o name") == "configmap/kube-root-ca.crt\n"


def test_without_an_account_it_needs_single_tenant(new_cluster, tmp_path):
    """As shipped the controller may touch no workload: it says so, and goes on once it may."""
    install(new_cluster)
    with (
        ArtifactServer() as server,
        Controller(new_cluster, tmp_path, artifact_hosts=(server.host,)) as controller,
        Shop(new_cluster, controller, server, words="single") as shop,
    ):
        for name in STAGES:
            shop.publish(name, "v1", {"config.yaml": shop.config(name, "v1")})
        shop.release(serviceAccountName="", interval="2s")
        shop.until_failed("apply: ", "system:serviceaccount:stageset-system:stageset-controller", stage="database")
        shop.kubectl("apply", "-k", str(ROOT / "deploy/manifests/single-tenant"), "--namespace=stageset-system")
        shop.until_ready(revision="v1")
