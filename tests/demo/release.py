"""The release that the demo rolls out: three stages, three revisions, the second of them broken in its second stage;
and the migration that its first stage begins with.

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
#: The stage with actions, its migration, and who is told that it is through.
FIRST = STAGES[0]
MIGRATE, ANNOUNCE = "migrate", "announce"
MIGRATIONS = f"{NAME}-migrations"
SCHEMA, NEW_SCHEMA = "41", "42"


class Artifact(NamedTuple):
    """A packed revision of a source."""

    name: str
    revision: str
    body: bytes

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.revision}.tar.gz"

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.body).hexdigest()


def artifact(revision: str, *, namespace: str, workloads: bool) -> Artifact:
    """A revision as gzip+tar. With `workloads`, every stage has a Deployment; else only the broken one has."""
    files = {
        f"{stage}/{obj['kind'].lower()}.yaml": obj
        for stage in STAGES
        for obj in _objects(stage, revision, namespace=namespace, workloads=workloads)
    }
    return Artifact(NAME, revision, _packed(files))


def migration(revision: str, *, namespace: str, image: str) -> Artifact:
    """The migration's Job. The new one is suspended: it begins when the demo lets it."""
    suspended = revision == NEW_SCHEMA
    return Artifact(MIGRATIONS, revision, _packed({"job.yaml": _job(revision, namespace, image, suspended)}))


def _packed(files: dict[str, Object]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, obj in files.items():
            text = yaml.safe_dump(obj).encode()
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    return packed.getvalue()


def source(name: str, *, namespace: str) -> Object:
    """An ExternalArtifact: that of the stages, or that of the migration."""
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "ExternalArtifact",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"sourceRef": {"apiVersion": "demo.metio.wtf/v1", "kind": "Release", "name": name}},
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


def stageset(namespace: str, *, hook_host: str) -> Object:
    """The StageSet: a folder for each stage, a migration and its announcement, a smoke test for the second stage."""
    stages: list[Object] = [{"name": name, "sourceRef": {"name": NAME}, "path": name} for name in STAGES]
    stages[0]["actions"] = {
        "pre": [{"name": MIGRATE, "job": {"sourceRef": {"name": MIGRATIONS}}}],
        "post": [{"name": ANNOUNCE, "http": {"url": f"http://{hook_host}/migrated", "body": "the schema is new"}}],
    }
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


def _job(revision: str, namespace: str, image: str, suspended: bool) -> Object:
    # Runs where Pods must be `restricted`, too.
    confined = {
        "runAsNonRoot": True, "runAsUser": 65534, "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    container = {"name": MIGRATE, "image": image, "command": ["true"], "securityContext": confined}
    log = {"sandbox.stages.metio.wtf/log": f"the schema is at {revision}"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": MIGRATE, "namespace": namespace, "annotations": log},
        "spec": {
            "backoffLimit": 0,
            "suspend": suspended,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


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
