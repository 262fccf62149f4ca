"""Actions of simulated StageSets: each verb with what it needs, its name being that of its target as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import msgspec

from reconciler.adapters.memory.policy import PREFIX
from reconciler.api import names
from reconciler.ports.cluster import Ref
from tests.simulation.http_server import HOST
from tests.simulation.manifests import NAMESPACE
from tests.simulation.world import World, stageset_ref

#: What has to happen when nobody knows whether an action took effect (DESIGN §6): perform it again; compare with what
#: was recorded, and perform it only where nothing happened since; ask.
Doubt = Literal["again", "compare", "ask"]


class Verb(NamedTuple):
    """An action of one kind."""

    title: str
    make: Callable[[World, str], dict[str, Any]]
    doubt: Doubt
    #: boundary just before its effect, and the one just after; empty: it has none
    request: str = ""
    #: records what it is going to touch before it does
    plans: bool = False

    @property
    def effects(self) -> int:
        """How often the world sees it when nothing goes wrong."""
        return 1 if self.request else 0


def _target(kind: str, name: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "namespace": NAMESPACE}


def _put(world: World, kind: str, name: str, **fields: Any) -> None:
    metadata = {"name": name, "namespace": NAMESPACE, **fields.pop("metadata", {})}
    world.do(world.memory.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}, manager="somebody"))


def _patch(world: World, name: str) -> dict[str, Any]:
    _put(world, "ConfigMap", name, data={"mode": "open"})
    return {"name": name, "patch": {"target": _target("ConfigMap", name), "patch": "data: {done: 'yes'}"}}


def _patch_set(world: World, name: str) -> dict[str, Any]:
    _put(world, "ConfigMap", name, data={"mode": "open"})
    text = msgspec.json.encode([{"op": "replace", "path": "/data/mode", "value": "read-only"}]).decode()
    return {"name": name, "patch": {"target": _target("ConfigMap", name), "type": "json6902", "patch": text}}


def _patch_list(world: World, name: str) -> dict[str, Any]:
    spec = {"type": "ClusterIP", "clusterIP": "None", "externalIPs": ["192.0.2.1"], "selector": {"app": "x"}}
    _put(world, "Service", name, spec=spec)
    text = msgspec.json.encode([{"op": "add", "path": "/spec/externalIPs/-", "value": "192.0.2.2"}]).decode()
    return {"name": name, "patch": {"target": _target("Service", name), "type": "json6902", "patch": text}}


def _http(**more: Any) -> Callable[[World, str], dict[str, Any]]:
    return lambda _, name: {"name": name, "http": {"url": f"https://{HOST}/{name}", **more}}


def _wait(world: World, name: str) -> dict[str, Any]:
    return {"name": name, "wait": {"duration": "6s"}}


def _wait_expr(world: World, name: str) -> dict[str, Any]:
    _put(world, "ConfigMap", name, data={"lights": "green"}, metadata={"labels": {"lights": "red"}})
    world.loop.call_later(14, lights, world, name, "green")
    expr = "metadata.labels.lights == 'green'"
    return {"name": name, "wait": {"target": _target("ConfigMap", name), "expr": expr}}


def lights(world: World, name: str, colour: str) -> None:
    _put(world, "ConfigMap", name, data={"lights": "green"}, metadata={"labels": {"lights": colour}})


def job(name: str, *, outcome: str = "ready", after_s: float = 30.0, variant: int = 1) -> dict[str, Any]:
    """The manifest of a Job that ends as told."""
    container = {"name": "main", "image": f"migrations:{variant}"}
    notes = {f"{PREFIX}outcome": outcome, f"{PREFIX}ready-after": f"{after_s:g}s", f"{PREFIX}pods": "true"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": notes},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
        },
    }


def _job(world: World, name: str) -> dict[str, Any]:
    world.publish_files(f"src-{name}", "v1", {"job.yaml": job(name)})
    return {"name": name, "job": {"sourceRef": {"name": f"src-{name}"}}}


def _delete(world: World, name: str) -> dict[str, Any]:
    _put(world, "ConfigMap", name, data={"made": "first"})
    return {"name": name, "delete": {"target": _target("ConfigMap", name)}}


def _apply(world: World, name: str) -> dict[str, Any]:
    banner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "maintenance"}}
    world.publish_files(f"src-{name}", "v1", {"banner.yaml": banner})
    return {"name": name, "apply": {"sourceRef": {"name": f"src-{name}"}}}


def _apply_wait(world: World, name: str) -> dict[str, Any]:
    made = _apply(world, name)
    made["apply"]["wait"] = True
    return made


VERBS = {
    "patch": Verb("patch (merge)", _patch, "again", "patch ConfigMap", plans=True),
    "patch-set": Verb("patch (json6902, sets a field)", _patch_set, "again", "patch ConfigMap", plans=True),
    "patch-list": Verb("patch (json6902, adds to a list)", _patch_list, "compare", "patch Service", plans=True),
    "http": Verb("http POST", _http(), "ask", "http"),
    "http-idempotent": Verb("http POST, `idempotent: true`", _http(idempotent=True), "again", "http"),
    "http-get": Verb("http GET", _http(method="GET"), "again", "http"),
    "wait": Verb("wait, a time", _wait, "again"),
    "wait-expr": Verb("wait, an expression", _wait_expr, "again"),
    "job": Verb("job", _job, "again", "create Job", plans=True),
    "delete": Verb("delete", _delete, "again", "delete ConfigMap", plans=True),
    "apply": Verb("apply", _apply, "again", "apply ConfigMap"),
    "apply-wait": Verb("apply, `wait: true`", _apply_wait, "again", "apply ConfigMap"),
}


# ── an operator ──────────────────────────────────────────────────────────────────────────────────────────────────


def annotate(world: World, name: str, key: str, value: str) -> None:
    def change(found: Any) -> None:
        found["metadata"].setdefault("annotations", {})[key] = value

    world.edit(name, change)
    world.tell(f"{name}: {key}: {value}")


def held(world: World, name: str) -> list[tuple[str, str]]:
    """(stage, action) of what `.status` shows as held."""
    stages = (world.stageset(name) or {}).get("status", {}).get("stages", ())
    return [(stage["name"], action) for stage in stages for action in stage.get("heldActions", ())]


def resolve(world: World, name: str, stage: str, action: str, answer: str) -> None:
    """What `stagesetctl resolve` writes."""
    said = {"stage": stage, "action": action, "as": answer, "reason": "looked", "by": "jane"}
    said["token"] = world.now_text()
    annotate(world, name, names.RESOLVE, msgspec.json.encode(said).decode())


def truth(world: World, action: str) -> str:
    """What an operator finds who looks at the other side."""
    outside = world.monitor.outside
    intent = outside.intents.get(action)
    return "done" if intent is not None and outside.seen(action, intent.key) else "not-done"


def answer_truthfully(world: World, name: str) -> bool:
    """Answer the first action that is held. Returns whether there was one."""
    for stage, action in held(world, name):
        resolve(world, name, stage, action, truth(world, action))
        return True
    return False


def target_ref(name: str, kind: str = "ConfigMap") -> Ref:
    return Ref("v1", kind, NAMESPACE, name)


__all__ = ["VERBS", "Verb", "annotate", "answer_truthfully", "held", "job", "resolve", "stageset_ref", "truth"]
