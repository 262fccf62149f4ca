"""The fleet that is rolled out: many StageSets of three stages (a ConfigMap, a Deployment), from three artifacts.

Data and bytes only. All StageSets share the artifacts and differ by a variable: as many inputs for kustomize as there
are artifacts, whatever the number of StageSets.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import Any

import yaml

Object = dict[str, Any]
NAMESPACE = "fleet"
STAGES = ("database", "backend", "frontend")
SOURCES = "source.toolkit.fluxcd.io/v1"
AT = "2030-01-31T12:00:00Z"
#: Rollouts need no more than this many seconds a stage, in any world: a limit for the bench, not a target.
TIMEOUT = "5m"


def artifact(stage: str, *, after_s: float) -> bytes:
    """Gzip+tar of a stage's manifests; its workload becomes ready `after_s` seconds after it was applied."""
    packed = io.BytesIO()
    text = yaml.safe_dump_all([_config(stage), _deployment(stage, after=f"{after_s:g}s")]).encode()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo("manifests.yaml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return packed.getvalue()


def source(stage: str) -> Object:
    """The ExternalArtifact of a stage, without its status."""
    origin = {"apiVersion": "bench.metio.wtf/v1", "kind": "Release", "name": stage}
    return {
        "apiVersion": SOURCES,
        "kind": "ExternalArtifact",
        "metadata": {"name": stage, "namespace": NAMESPACE},
        "spec": {"sourceRef": origin},
    }


def source_status(stage: str, body: bytes, *, url: str) -> Object:
    """What a source-controller would say of an artifact that is served below `url`."""
    path = f"{stage}.tar.gz"
    ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": AT}
    found = {
        "url": f"{url}/{path}",
        "path": path,
        "revision": "1.0.0",
        "digest": "sha256:" + hashlib.sha256(body).hexdigest(),
        "lastUpdateTime": AT,
    }
    return {"artifact": found, "conditions": [ready]}


def stageset(number: int) -> Object:
    """One StageSet of the fleet."""
    name = f"release-{number:05}"
    stages = [
        {
            "name": stage,
            "sourceRef": {"name": stage, "namespace": NAMESPACE},
            "postBuild": {"substitute": {"release": name}},
        }
        for stage in STAGES
    ]
    return {
        "apiVersion": "stages.metio.wtf/v1",
        "kind": "StageSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"timeout": TIMEOUT, "stages": stages},
    }


def _config(stage: str) -> Object:
    metadata = {"name": f"${{release}}-{stage}", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"stage": stage, "of": "${release}"}}


def _deployment(stage: str, *, after: str) -> Object:
    labels = {"app": f"${{release}}-{stage}"}
    container = {"name": "main", "image": f"registry.invalid/{stage}:1.0.0", "env": [{"name": "STAGE", "value": stage}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"${{release}}-{stage}",
            "namespace": NAMESPACE,
            "annotations": {"sandbox.stages.metio.wtf/ready-after": after},
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": {"kwok.test/after": after}},
                "spec": {"containers": [container]},
            },
        },
    }
