"""The rows of the crash matrix: for each verb an action, where it can be stopped, and what DESIGN §6 promises.

Not the kills. Each row counts its effect from outside.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.cluster.rollout.acting import World, done_by, get, job, job_of, jobs_run, post_to
from tests.cluster.rollout.gate import Hold, Side
from tests.cluster.rollout.receiver import HeldAnswer
from tests.cluster.rollout.shop import Shop

ACTION = "step"
STAGE = "database"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "spec": {"type": "ClusterIP", "clusterIP": "None", "externalIPs": ["192.0.2.1"], "selector": {"app": "x"}},
}


class Promise(NamedTuple):
    """How often the world sees the effect, and whether the stage is held then."""

    effects: int
    held: bool = False


def _none(world: World, shop: Shop) -> None:
    """Nothing has to be there before."""


class Row(NamedTuple):
    """An action and what a crash beside its effect means."""

    name: str
    hook: str
    action: Callable[[World, Shop], dict[str, Any]]
    #: method and path of the request that is the effect; `{}` is the namespace
    request: tuple[str, str]
    count: Callable[[World, Shop], int]
    before: Promise = Promise(1)
    after: Promise = Promise(1)
    prepare: Callable[[World, Shop], None] = _none
    #: what somebody else does while nobody watches
    meanwhile: Callable[[World, Shop], None] = _none
    #: the answer to the request is held by the receiver, not by the gate
    received: bool = False

    def hold(self, world: World, shop: Shop, side: Side) -> Hold | HeldAnswer:
        """Stop the action on a side of its effect."""
        if self.received and side == "after":
            return world.receiver.hold(path_of(shop))
        method, path = self.request
        return world.gate.hold(method, path.format(shop.namespace), side)


def path_of(shop: Shop) -> str:
    return f"/{shop.namespace}/step"


def _config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _target(kind: str, name: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name}


#: The last thing before an http action's request.
BODY = ("GET", "/namespaces/{}/secrets/body")


# ── http: the body is read from a Secret ──────────────────────────────────────────────────────────────────


def _secret(world: World, shop: Shop) -> None:
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "body"}, "stringData": {"text": "deployed"}}
    shop.kubectl.apply(made)


def _http(**more: Any) -> Callable[[World, Shop], dict[str, Any]]:
    def action(world: World, shop: Shop) -> dict[str, Any]:
        body = {"name": "body", "key": "text"}
        return post_to(world.receiver, path_of(shop), name=ACTION, bodyFrom=body, **more)

    return action


def _received(world: World, shop: Shop) -> int:
    return len(world.receiver.at(path_of(shop)))


def _deeds(world: World, shop: Shop) -> int:
    """What a server makes of it that knows keys."""
    return len({one.key for one in world.receiver.at(path_of(shop))})


# ── job ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _job_source(world: World, shop: Shop) -> None:
    shop.publish("jobs", "j1", {"job.yaml": job()})


def _job(world: World, shop: Shop) -> dict[str, Any]:
    return job_of("jobs", name=ACTION)


def _jobs(world: World, shop: Shop) -> int:
    """Of Jobs it is the Pods that count: one that was not started did nothing."""
    return len(jobs_run(shop))


# ── patch ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _merged(world: World, shop: Shop) -> dict[str, Any]:
    return {"name": ACTION, "patch": {"target": _target("ConfigMap", "flags"), "patch": "data: {mode: read-only}"}}


def _appended(world: World, shop: Shop) -> dict[str, Any]:
    operations = [{"op": "add", "path": "/spec/externalIPs/-", "value": "192.0.2.2"}]
    part = {"target": _target("Service", "flags"), "type": "json6902", "patch": json.dumps(operations)}
    return {"name": ACTION, "patch": part}


def _flags(world: World, shop: Shop) -> None:
    shop.kubectl.apply(_config("flags", mode="open"), {**SERVICE, "metadata": {"name": "flags"}})


def _patched(resource: str) -> Callable[[World, Shop], int]:
    return lambda _, shop: len(done_by(shop, "patch", resource, name="flags"))


# ── delete ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _delete(world: World, shop: Shop) -> dict[str, Any]:
    return {"name": ACTION, "delete": {"target": _target("ConfigMap", "old")}}


def _old(world: World, shop: Shop) -> None:
    shop.kubectl.apply(_config("old", made="first"))


def _another(world: World, shop: Shop) -> None:
    """Where it is gone, somebody makes another object of its name."""
    if not get(shop, "configmap", "old"):
        shop.kubectl.apply(_config("old", made="second"))


def _deleted(world: World, shop: Shop) -> int:
    left = get(shop, "configmap", "old")
    assert left.get("data", {}).get("made") != "first"
    return len(done_by(shop, "delete", "configmaps", name="old"))


# ── wait, apply ──────────────────────────────────────────────────────────────────────────────────────────────────


def _wait(world: World, shop: Shop) -> dict[str, Any]:
    return {
        "name": ACTION,
        "wait": {"target": _target("ConfigMap", "lights"), "expr": "metadata.labels.lights == 'green'"},
    }


def _lights(shop: Shop, colour: str) -> None:
    made = _config("lights")
    made["metadata"]["labels"] = {"lights": colour}
    shop.kubectl.apply(made)


def _red(world: World, shop: Shop) -> None:
    _lights(shop, "red")


def _green(world: World, shop: Shop) -> None:
    _lights(shop, "green")


def _touched(world: World, shop: Shop) -> int:
    return sum(len(done_by(shop, verb, "configmaps", name="lights")) for verb in ("patch", "update", "delete"))


def _banner_source(world: World, shop: Shop) -> None:
    shop.publish("banners", "b1", {"banner.yaml": _config("banner", text="maintenance")})


def _apply(world: World, shop: Shop) -> dict[str, Any]:
    return {"name": ACTION, "apply": {"sourceRef": {"name": "banners"}}}


def _made(world: World, shop: Shop) -> int:
    """Applying again changes nothing, so what counts is what was made."""
    return len([one for one in done_by(shop, "patch", "configmaps", name="banner") if one.status == 201])


ROWS = (
    Row(
        "http",
        "post",
        _http(),
        BODY,
        _received,
        before=Promise(0, held=True),
        after=Promise(1, held=True),
        prepare=_secret,
        received=True,
    ),
    Row("http-idempotent", "pre", _http(idempotent=True), BODY, _deeds, prepare=_secret, received=True),
    Row(
        "http-onFailure",
        "onFailure",
        _http(),
        BODY,
        _received,
        before=Promise(0),
        after=Promise(1),
        prepare=_secret,
        received=True,
    ),
    Row("job", "pre", _job, ("POST", "/namespaces/{}/jobs"), _jobs, prepare=_job_source),
    Row("job-start", "post", _job, ("PATCH", "/namespaces/{}/jobs"), _jobs, prepare=_job_source),
    Row("patch", "post", _merged, ("PATCH", "/namespaces/{}/configmaps/flags"), _patched("configmaps"), prepare=_flags),
    Row(
        "patch-json6902",
        "pre",
        _appended,
        ("PATCH", "/namespaces/{}/services/flags"),
        _patched("services"),
        after=Promise(1, held=True),
        prepare=_flags,
    ),
    Row(
        "delete",
        "post",
        _delete,
        ("DELETE", "/namespaces/{}/configmaps/old"),
        _deleted,
        prepare=_old,
        meanwhile=_another,
    ),
    Row(
        "wait",
        "pre",
        _wait,
        ("GET", "/namespaces/{}/configmaps/lights"),
        _touched,
        before=Promise(0),
        after=Promise(0),
        prepare=_red,
        meanwhile=_green,
    ),
    Row("apply", "post", _apply, ("PATCH", "/namespaces/{}/configmaps/banner"), _made, prepare=_banner_source),
)  # fmt: skip
