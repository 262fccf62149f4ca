"""The release that the demo rolls out: three stages, three revisions, the second of them broken in its second stage.

Pure data and bytes: manifests, the artifact as Flux would pack it, the source's status.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import Any, NamedTuple

import yaml

Object = dict[str, Any]
NAME = "shop"
STAGES = ("database", "backend", "frontend")
GOOD, BROKEN, FIXED = "1.4.0", "1.5.0", "1.5.1"
#: The stage that breaks, and that waits for its smoke test.
SECOND = STAGES[1]
SMOKE_TEST = "smoke-test"
#: Seconds after which a Deployment without progress has failed.
PROGRESS_S = 3


class Artifact(NamedTuple):
    """A packed revision."""

    revision: str
    body: bytes

    @property
    def file_name(self) -> str:
        return f"{NAME}-{self.revision}.tar.gz"

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.body).hexdigest()


def artifact(revision: str, *, namespace: str, workloads: bool) -> Artifact:
    """A revision as gzip+tar. With `workloads`, every stage has a Deployment; else only the broken one has."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for stage in STAGES:
            for obj in _objects(stage, revision, namespace=namespace, workloads=workloads):
                text = yaml.safe_dump(obj).encode()
                info = tarfile.TarInfo(f"{stage}/{obj['kind'].lower()}.yaml")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
    return Artifact(revision, packed.getvalue())


def source(namespace: str) -> Object:
    """The ExternalArtifact that the stages are taken from."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "ExternalArtifact",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"sourceRef": {"apiVersion": "demo.metio.wtf/v1", "kind": "Release", "name": NAME}},
    }


def source_status(packed: Artifact, *, url: str, at: str) -> Object:
    """What a source-controller would say of a revision that it serves at `url`."""
    return {
        "artifact": {
            "url": f"{url}/{packed.file_name}", "path": packed.file_name, "revision": packed.revision,
            "digest": packed.digest, "lastUpdateTime": at,
        },
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Succeeded", "message": f"stored {packed.revision}",
             "lastTransitionTime": at},
        ],
    }  # fmt: skip


def stageset(namespace: str) -> Object:
    """The StageSet: one source, a folder for each stage, and a smoke test that the second stage waits for."""
    stages: list[Object] = [{"name": name, "sourceRef": {"name": NAME}, "path": name} for name in STAGES]
    stages[1]["readyChecks"] = {"checks": [{"apiVersion": "v1", "kind": "ConfigMap", "name": SMOKE_TEST}]}
    return {
        "apiVersion": "stages.metio.wtf/v1",
        "kind": "StageSet",
        "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"interval": "10m", "retryInterval": "1m", "timeout": "30s", "stages": stages},
    }


def smoke_test(namespace: str) -> Object:
    """The result of the second stage's smoke test, which somebody else writes."""
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SMOKE_TEST, "namespace": namespace},
        "data": {"result": "passed"},
    }  # fmt: skip


def _objects(stage: str, revision: str, *, namespace: str, workloads: bool) -> list[Object]:
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{stage}-config", "namespace": namespace},
        "data": {"version": revision},
    }  # fmt: skip
    broken = stage == SECOND and revision == BROKEN
    return [config, _deployment(stage, revision, namespace, broken)] if workloads or broken else [config]


def _deployment(stage: str, revision: str, namespace: str, broken: bool) -> Object:
    # The sandbox goes by the annotations of the first kind, the nodes of our test control plane by those of the second;
    # elsewhere it is the image that cannot be pulled, since there is no such registry.
    outcome, after = ("fail", f"{PROGRESS_S}s") if broken else ("ready", "1s")
    annotations = {"sandbox.stages.metio.wtf/outcome": outcome, "sandbox.stages.metio.wtf/ready-after": after}
    labels = {"app": stage}
    on_pods = {"kwok.test/behaviour": "image-pull"} if broken else {}
    container = {"name": stage, "image": f"registry.invalid/{NAME}/{stage}:{revision}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": stage, "namespace": namespace, "annotations": annotations},
        "spec": {
            "replicas": 1,
            "progressDeadlineSeconds": PROGRESS_S if broken else 600,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": on_pods}, "spec": {"containers": [container]}},
        },
    }
