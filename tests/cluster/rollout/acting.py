"""Actions as tests write them, the controller that may perform them, and what the outside saw of them.

Counts come from outside: the receiver's list and the API server's audit log; the controller is not asked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.api import names
from tests.cluster.rollout.controller import Controller
from tests.cluster.rollout.gate import Gate
from tests.cluster.rollout.installed import NAME as CONTROLLER
from tests.cluster.rollout.installed import NAMESPACE
from tests.cluster.rollout.receiver import Receiver
from tests.cluster.rollout.shop import ACCOUNT, NAME, Shop
from tests.cluster.rollout.waiting import eventually
from tests.controlplane.audit import Request
from tests.controlplane.cluster import ControlPlane

JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"
UNKNOWN = "it is not known whether the action took effect"


class ActionController(Controller):
    """The controller with a receiver that its actions may call, and a gate before its API server where one is given."""

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        artifact_hosts: tuple[str, ...],
        receiver: Receiver,
        gate: Gate | None = None,
        words: str = "controller",
        cluster_hosts: tuple[str, ...] = (),
    ) -> None:
        super().__init__(plane, folder, artifact_hosts=artifact_hosts, words=words)
        self._arguments.append(f"--allowed-action-hosts={receiver.host}")
        self._arguments += [f"--allowed-cluster-hosts={host}" for host in cluster_hosts]
        if gate is not None:
            token = plane.token(namespace=NAMESPACE, service_account=CONTROLLER)
            self._arguments.append(f"--kubeconfig={gate.kubeconfig(folder / f'{words}.gate.kubeconfig', token=token)}")


class World(NamedTuple):
    """What a test of actions has at hand."""

    plane: ControlPlane
    controller: ActionController
    receiver: Receiver
    gate: Gate


# ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def post_to(receiver: Receiver, path: str, *, name: str = "announce", **http: Any) -> dict[str, Any]:
    return {"name": name, "http": {"url": receiver.url(path), **http}}


def job_of(source: str, *, name: str = "migrate", **fields: Any) -> dict[str, Any]:
    return {"name": name, "job": {"sourceRef": {"name": source}}, **fields}


def job(name: str = "migrate", *, marks: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Job of one Pod; marks tell kwok what the Pod does."""
    annotations = {f"kwok.test/{key}": value for key, value in (marks or {}).items()}
    template = {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "migrate:1"}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, **spec, "template": template},
    }


# ── what operators do ────────────────────────────────────────────────────────────────────────────────────────────


def resolve(shop: Shop, answer: str, *, action: str, stage: str = "database", token: str = "1") -> None:
    """Answer for an action that may or may not have run, by the annotation."""
    said = {"stage": stage, "action": action, "as": answer, "reason": "seen from outside", "by": "jane", "token": token}
    shop.merge({"metadata": {"annotations": {names.RESOLVE: json.dumps(said)}}})


def ask(shop: Shop, token: str) -> None:
    """`reconcile.fluxcd.io/requestedAt`."""
    shop.merge({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}})


# ── what the outside saw ─────────────────────────────────────────────────────────────────────────────────────────


def done_by(shop: Shop, verb: str, resource: str, *, name: str = "", since: int = 0) -> list[Request]:
    """What the API server did for the tenant's ServiceAccount: answered with 2xx, and no dry run."""
    user = f"system:serviceaccount:{shop.namespace}:{ACCOUNT}"
    return [
        one
        for one in shop.plane.audit.since(since)
        if (one.user, one.verb, one.resource, one.namespace) == (user, verb, resource, shop.namespace)
        and one.status // 100 == 2
        and "dryRun=" not in one.path
        and name in ("", one.name)
    ]


def jobs_made(shop: Shop, *, since: int = 0) -> list[str]:
    """Names of the Jobs that the tenant's ServiceAccount created, as often as it did."""
    return [one.name for one in done_by(shop, "create", "jobs", since=since)]


def get(shop: Shop, resource: str, name: str) -> dict[str, Any]:
    """An object of the shop's namespace, or an empty one."""
    done = shop.kubectl.run("get", resource, name, "-o", "json", "--ignore-not-found")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def jobs_run(shop: Shop) -> list[str]:
    """Names of the Pods that Jobs of the namespace were given, as often as they were: what was run."""
    return [
        one.event["objectRef"].get("name", "")
        for one in shop.plane.audit.since()
        if (one.user, one.verb, one.resource) == (JOB_CONTROLLER, "create", "pods")
        and (one.namespace, one.status) == (shop.namespace, 201)
    ]


def live_jobs(shop: Shop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.kubectl.get("jobs")["items"]
    return found


# ── what the ledger says ─────────────────────────────────────────────────────────────────────────────────────────


def recorded(shop: Shop, kind: str, *, action: str = "") -> list[dict[str, Any]]:
    """Records of a type, of an action."""
    return [
        one
        for one in shop.controller.events(f"{shop.namespace}/{NAME}")
        if one["type"] == kind and action in ("", one["event"].get("action"))
    ]


def until_recorded(shop: Shop, kind: str, *, action: str = "", count: int = 1, pause_s: float = 0.05) -> None:
    def look() -> bool:
        return len(recorded(shop, kind, action=action)) >= count

    eventually(look, what=f"{count} {kind} {action}", show=shop.story, pause_s=pause_s)


def planned_name(shop: Shop, action: str) -> str:
    """The name that a job action is about to create, as it is recorded before."""
    (item,) = recorded(shop, "action.observed", action=action)[-1]["event"]["objects"]
    return str(item["id"]).split("_")[1]
