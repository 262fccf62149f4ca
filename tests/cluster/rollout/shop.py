"""A tenant: a namespace with a ServiceAccount and its Role, sources with revisions, a StageSet, and what it shows."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

from reconciler.adapters.memory.flux import KINDS
from tests.cluster.rollout.artifacts import ArtifactServer, archive, digest
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import Kubectl

GROUP = "/apis/stages.metio.wtf/v1"
SOURCES = "/apis/source.toolkit.fluxcd.io/v1"
STAGES = ("database", "backend", "frontend")
ACCOUNT = "deployer"
NAME = "release"
#: What the tenant's ServiceAccount may do: everything in its own namespace that the tests roll out.
RULES = [
    {
        "apiGroups": ["", "apps", "batch", "events.k8s.io"],
        "resources": [
            "configmaps", "secrets", "services", "pods", "pods/log", "events",
            "deployments", "replicasets", "statefulsets", "jobs",
        ],
        "verbs": ["get", "list", "watch", "create", "patch", "update", "delete"],
    }
]  # fmt: skip
PLURALS = {kind: plural for kind, plural, _ in KINDS}
_NUMBERS = itertools.count(1)


class Shop:
    """One namespace of the control plane, and one StageSet in it."""

    def __init__(self, plane: ControlPlane, controller: Controller, server: ArtifactServer, *, words: str) -> None:
        self.plane = plane
        self.api = plane.api
        self.controller = controller
        self.server = server
        #: an artifact host that nobody answers at
        self.closed_host = ""
        self.namespace = f"shop{next(_NUMBERS)}-{re.sub('[^a-z0-9]+', '-', words.lower())}"[:50].strip("-")
        self.kubectl = Kubectl(kubeconfig=plane.kubeconfig, namespace=self.namespace)
        plane.create_namespace(self.namespace)
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": ACCOUNT},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": ACCOUNT},
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": self.namespace}],
            },
            role(RULES),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.delete(f"{GROUP}/namespaces/{self.namespace}/stagesets/{NAME}")
        self.api.delete(f"/api/v1/namespaces/{self.namespace}")

    # ── what a tenant does ───────────────────────────────────────────────────────────────────────────────────────

    def publish(self, source: str, revision: str, files: Mapping[str, Any], **artifact: str) -> bytes:
        """A new revision of a source: archive, served, and shown in the ExternalArtifact's status."""
        return self.publish_bytes(source, revision, archive(files), **artifact)

    @staticmethod
    def archive(files: Mapping[str, Any]) -> bytes:
        return archive(files)

    def publish_bytes(self, source: str, revision: str, body: bytes, **artifact: str) -> bytes:
        path = f"/{self.namespace}/{source}/{revision}.tar.gz"
        self.server.bodies[path] = body
        self.point(source, revision, url=self.server.url(path), digest=digest(body), **artifact)
        return body

    def point(
        self, source: str, revision: str, *, kind: str = "ExternalArtifact", ready: str = "True", **artifact: str
    ) -> None:
        """What the source's status says, as its controller would write it."""
        plural = PLURALS[kind]
        path = f"{SOURCES}/namespaces/{self.namespace}/{plural}/{source}"
        made = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": {"name": source}, "spec": {}}
        self.api.apply(path, made).ok()
        when = "2030-01-31T12:00:00Z"
        status = {
            "artifact": {**artifact, "revision": revision, "path": "x", "lastUpdateTime": when},
            "conditions": [
                {"type": "Ready", "status": ready, "reason": "Succeeded", "message": "", "lastTransitionTime": when}
            ],
        }
        self.api.merge(f"{path}/status", {"status": status}).ok()

    def release(self, **spec: Any) -> None:
        """Create the StageSet: three stages, short intervals, the tenant's ServiceAccount."""
        base = {
            "interval": "10m",
            "retryInterval": "1s",
            "timeout": "30s",
            "serviceAccountName": ACCOUNT,
            "stages": [stage(name) for name in STAGES],
        }
        made = {"apiVersion": "stages.metio.wtf/v1", "kind": "StageSet", "metadata": {"name": NAME}}
        self.api.post(f"{GROUP}/namespaces/{self.namespace}/stagesets", {**made, "spec": {**base, **spec}}).ok()

    def roll_out(self, revision: str = "v1", **spec: Any) -> None:
        """Publish a good revision of all stages, create the StageSet, and wait until it is ready."""
        for name in STAGES:
            self.publish(name, revision, {"config.yaml": self.config(name, revision)})
        self.release(**spec)
        self.until_ready()

    def merge(self, body: object) -> None:
        """Patch the StageSet."""
        self.api.merge(self.path, body).ok()

    def config(self, name: str, revision: str) -> dict[str, Any]:
        """A ConfigMap that shows which revision is there."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace},
            "data": {"revision": revision},
        }

    def deployment(self, name: str, image: str, **annotations: str) -> dict[str, Any]:
        """A Deployment of one Pod; annotations go to the Pod and tell kwok what it does."""
        marks = {f"kwok.test/{key}": value for key, value in annotations.items()}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}, "annotations": marks},
                    "spec": {"containers": [{"name": "main", "image": image}]},
                },
            },
        }

    # ── what a tenant sees ───────────────────────────────────────────────────────────────────────────────────────

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/stagesets/{NAME}"

    def stageset(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(self.path).ok()
        return found

    def condition(self, kind: str = "Ready") -> dict[str, Any]:
        conditions = self.stageset().get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def stages(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.stageset().get("status", {}).get("stages", [])}

    def revisions(self) -> list[str]:
        """What is on the cluster, stage by stage: the data of the ConfigMaps, `-` for one that is not there."""
        found = []
        for name in STAGES:
            answer = self.api.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")
            found.append(answer.body["data"]["revision"] if answer.status == 200 else "-")
        return found

    def until_ready(self, *, revision: str = "", deadline_s: float = 45) -> dict[str, Any]:
        """Ready, for this generation and (if named) with this revision in every stage."""

        def ready() -> dict[str, Any] | None:
            found = self.stageset()
            status = found.get("status", {})
            good = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", []))
            same = status.get("observedGeneration") == found["metadata"]["generation"]
            reached = all(
                not revision or stage.get("appliedRevision") == revision for stage in status.get("stages", [])
            )
            return found if good and same and reached else None

        found = eventually(ready, what=f"{self.namespace} ready {revision}", deadline_s=deadline_s, show=self.story)
        assert found is not None
        return found

    def until_failed(self, *words: str, stage: str = "backend", deadline_s: float = 45) -> str:
        """Ready=False, StageFailed, naming stage and operation and saying these words; returns the message."""

        def failed() -> str:
            ready = self.condition()
            said = str(ready.get("message", ""))
            good = ready.get("status") == "False" and ready.get("reason") == "StageFailed"
            return said if good and f"stage {stage}: " in said and all(word in said for word in words) else ""

        what = f"{self.namespace} failed in {stage}, saying {words}"
        return eventually(failed, what=what, deadline_s=deadline_s, show=self.story)

    def visible(self) -> dict[str, Any]:
        """Everything in the namespace that the release has made or shows, with its versions."""
        found = self.kubectl.get("stagesets,stageinventories,configmaps,deployments,replicasets,pods")["items"]
        return {
            f"{one['kind']}/{one['metadata']['name']}": (one["metadata"]["uid"], one["metadata"]["resourceVersion"])
            for one in found
        }

    def records(self) -> int:
        """How many records the StageSet has in the ledger."""
        return len(self.types())

    def story(self) -> str:
        """For people: the status, the ledger's tail and the log's."""
        answer = self.api.get(self.path)
        status = answer.body.get("status") if answer.status == 200 else answer.body
        events = [
            f"{one['type']} {one.get('stage', '')} {one.get('outcome', '')} {one['event'].get('message', '')}"
            for one in self.controller.events(f"{self.namespace}/{NAME}")[-15:]
        ]
        mine = [line for line in self.controller.log().splitlines() if self.namespace in line or "Traceback" in line]
        return "\n".join([json.dumps(status, indent=1), *events, *mine[-8:]])

    def types(self) -> list[str]:
        """The types of the StageSet's records."""
        return [one["type"] for one in self.controller.events(f"{self.namespace}/{NAME}")]


def stage(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "sourceRef": {"name": name}, **fields}


def role(rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ACCOUNT},
        "rules": list(rules),
    }
