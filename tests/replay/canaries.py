"""A world with a unique secret in every place where one can stand, and failures that echo them back; and where to look.

The forms that are looked for are made here, independently of what the product looks for.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import yaml

from ledger.sqlite_log import SqliteLog, SqliteReader
from reconciler import errors
from reconciler.adapters.memory import status
from reconciler.adapters.memory.policy import PREFIX
from reconciler.adapters.metrics import Metrics
from reconciler.adapters.requests import Call, CallError, Reply
from reconciler.compute import fetching
from reconciler.compute.echoes import excerpt
from reconciler.compute.kustomization import BuildTree
from reconciler.ports.cluster import Ref
from tests.simulation import world as simulated
from tests.simulation.acting import job
from tests.simulation.http_server import HOST, SimCaller
from tests.simulation.manifests import NAMESPACE
from tests.simulation.ports import Renderer
from tests.simulation.scenario import allow_tenant
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import World, stageset

Object = dict[str, Any]
#: Where each stands. Those of variables stay plain YAML scalars; the others have what encodings change.
CANARIES = {
    "variable": "canary-variable-3f/9+a=",
    "job-variable": "canary-job-77/x+b=",
    "string-data": 'canary "string" data <&> 51/+ü',
    "data": "canary-data-19/+<z>&\nsecond line of it",
    "annotation": "canary-annotation-62/+<q>",
    "generated": "canary-generated-48/+<w>",
    "kubeconfig": "canary-kubeconfig-29/+tok",
    "header": "canary-header-84/+hdr",
    "body": "canary-body-55/+bdy<&>",
    "userinfo": "canary-userinfo-31",
    "query": "canary-query-12-abc",
    "account-token": "canary-token-66/+jwt.abc.def",
}
#: What an object holds.
_ECHOED = {
    "variable-refused": ("variable",),
    "plain-refused": ("string-data", "data", "annotation"),
    "generated-refused": ("generated",),
}
STAGESETS = ("variable", "job", "plain", "generated", "remote", "hook", "body", "url")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def forms(value: str) -> Iterator[str]:
    """All in which a value must not be found: raw, JSON, URL, hexadecimal, and base64 at each alignment."""
    yield value
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (quote(value), quote(value, safe=""), quote_plus(value))
    raw = value.encode()
    yield from (raw.hex(), raw.hex().upper())
    for pad in range(3):
        # Without the characters at either end that depend on what stands beside it.
        core = base64.b64encode(b"x" * pad + raw).decode()[(pad * 8 + 5) // 6 : (pad + len(raw)) * 8 // 6]
        yield from (core, core.replace("+", "-").replace("/", "_"))


def found(text: str) -> list[str]:
    """The names of the canaries that occur in a text."""
    return [name for name, value in CANARIES.items() if any(form in text for form in forms(value))]


# ── the world ────────────────────────────────────────────────────────────────────────────────────────────────────


def lived(folder: Path) -> tuple[World, Metrics]:
    """Every StageSet has failed once, on a ledger in a file of this folder, which is still open."""
    metrics = Metrics()

    async def main(loop: VirtualLoop) -> World:
        world = _World(loop, seed="canary", runner=_Runner())
        world.log = SqliteLog(folder / "ledger.db", replica="simulated", at=world.now_text())  # type: ignore[assignment]
        await world.begin()
        allow_tenant(world)
        world.memory.hooks.before.append(_echoing)
        _secrets(world)
        for name in STAGESETS:
            _create(world, name)
        for name in STAGESETS:
            await world.until(f"{name} fails", lambda name=name: world.ready(name)[0] == "False", within_s=300)
        await world.restart()
        await world.end()
        return world

    before = simulated._Silent
    simulated._Silent = lambda: metrics  # type: ignore[misc, assignment]
    try:
        world = run(main)
    finally:
        simulated._Silent = before  # type: ignore[misc]
    return world, metrics


class _World(World):
    def _tools(self, line: Any, rng: Any) -> Any:
        tools = super()._tools(line, rng)
        caller = _Caller(self.http, line=line, monitor=self.monitor)
        return tools._replace(caller=caller, fetcher=_Fetcher(self, tools.fetcher))


class _Runner(Renderer):
    """Also makes the one Secret that is generated here."""

    async def run(self, tree: BuildTree) -> str:
        text = await super().run(tree)
        kustomization = yaml.safe_load(tree.files[f"{tree.directory}kustomization.yaml"])
        for one in kustomization.get("secretGenerator", ()):
            data = {key: encoded(value) for key, _, value in (pair.partition("=") for pair in one["literals"])}
            metadata = {"name": one["name"], "namespace": NAMESPACE}
            made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
            text += f"\n---\n{json.dumps(made)}"
        return text


class _Fetcher:
    """Says what the real one says of an address that does not answer well."""

    def __init__(self, world: World, inner: Any) -> None:
        self._world, self._inner = world, inner

    async def fetch(self, url: str, digest: str) -> bytes:
        if url not in self._world.server.bodies:
            raise fetching.bad_status(url, status=404, phrase="Not Found")
        return await self._inner.fetch(url, digest)  # type: ignore[no-any-return]

    async def close(self) -> None:
        pass


class _Caller(SimCaller):
    """A server that answers with all that it got, as some do; at `/broken` the connection breaks, and it tells why."""

    async def call(self, call: Call, *, within_s: float) -> Reply:
        await super().call(call, within_s=within_s)
        said = "\n".join([*(f"{name}: {value}" for name, value in call.headers), call.body.decode(), call.url])
        said += f"\n{encoded(said)}\n{quote(said)}\n{json.dumps(said)}"
        if call.url.endswith("/broken"):
            raise CallError(call.scrub(said), reason="Unreachable", retryable=False, doubtful=False)
        return Reply(HOST, 500, "text/plain", excerpt(said.encode(), scrub=call.scrub, bytes_max=4096))


def _echoing(verb: str, ref: Ref | None) -> None:
    """An admission webhook that quotes what it refuses, raw and encoded."""
    if verb in ("apply", "patch", "create") and ref is not None and ref.name.endswith("refused"):
        values = [CANARIES[name] for name in _ECHOED[ref.name]]
        words = " ".join(f"{value!r} {value} {encoded(value)} {quote(value)}" for value in values)
        raise status.make(errors.Invalid, f'{ref.kind} "{ref.name}" is invalid: data: {words}')


def _secrets(world: World) -> None:
    contexts = {
        "clusters": [{"name": "c", "cluster": {"server": "https://remote.example:6443"}}],
        "current-context": "c",
    }
    user = {"name": "u", "user": {"token": CANARIES["kubeconfig"], "exec": {"command": "x"}}}
    kubeconfig = {**contexts, "users": [user], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
    for name, data in {
        "variables": {"tok": CANARIES["variable"], "jobtok": CANARIES["job-variable"]},
        "kubeconfig": {"value": json.dumps(kubeconfig)},
        "hook": {"Authorization": f"Bearer {CANARIES['header']}", "body": json.dumps({"x": CANARIES["body"]})},
        "account": {"token": CANARIES["account-token"]},
    }.items():
        kept = {key: encoded(value) for key, value in data.items()}
        notes = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"kind": "Secret", "data": kept})}
        metadata = {"name": name, "namespace": NAMESPACE, "annotations": notes}
        _put(world, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": kept})


def _put(world: World, obj: Object) -> None:
    world.do(world.memory.apply(obj, manager="somebody"))


def _create(world: World, name: str) -> None:
    stage: Object = {"name": "one", "sourceRef": {"name": f"src-{name}"}}
    spec: Object = {}
    if name in ("variable", "job"):
        stage["postBuild"] = {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}
    if name == "job":
        world.publish_files("migrations", "v1", {"job.yaml": _job()})
        action = {"name": "migrate", "job": {"sourceRef": {"name": "migrations"}}, "retries": 0}
        stage["actions"] = {"pre": [action]}
    if name in ("hook", "body"):
        path = "broken" if name == "body" else name
        http: Object = {"url": f"https://{HOST}/{path}", "idempotent": True}
        http["headersFrom"] = [{"name": "hook", "key": "Authorization"}]
        http["bodyFrom"] = {"name": "hook", "key": "body"}
        stage["actions"] = {"pre": [{"name": path, "http": http, "retries": 0}]}
    if name == "remote":
        spec["kubeConfig"] = {"secretRef": {"name": "kubeconfig"}}
    world._publish(f"src-{name}", "v1", simulated.archive(dict(_files(name))))
    if name == "url":
        user, query = CANARIES["userinfo"], CANARIES["query"]
        url = f"http://{user}:pw-{user}@artifacts.{NAMESPACE}/x.tar.gz?token={query}"
        shown = {"url": url, "digest": "sha256:" + "0" * 64, "revision": "v1", "path": "x"}
        world.show_source(f"src-{name}", artifact={**shown, "lastUpdateTime": "2030-01-01T00:00:00Z"})
    world.do(world.memory.create(stageset(name, [stage], **spec)))


def _job() -> Object:
    made = job("migrate", outcome="fail", after_s=1.0)
    words = "connecting with ${jobtok}\nAuthorization: Bearer ${jobtok}"
    made["metadata"]["annotations"][f"{PREFIX}log"] = words
    return made


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    def put(obj: Object) -> tuple[str, bytes]:
        return f"{obj['kind']}-{obj['metadata']['name']}.yaml".lower(), msgspec.json.encode(obj)

    def meta(one: str) -> Object:
        return {"name": one, "namespace": NAMESPACE}

    plain = {"apiVersion": "v1", "kind": "ConfigMap"}
    yield put({**plain, "metadata": meta(f"{name}-good"), "data": {"a": "b"}})
    if name == "variable":
        # In a URL, in base64 within a value, and alone.
        data = {"dsn": "postgres://u:${tok}@db", "alone": "${tok}"}
        yield put({**plain, "metadata": meta("variable-refused"), "data": data})
    if name == "plain":
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta("plain-refused")}
        last = {**secret, "stringData": {"x": CANARIES["annotation"]}}
        notes = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(last)}
        secret["metadata"]["annotations"] = notes
        values = {"stringData": {"a": CANARIES["string-data"]}, "data": {"b": encoded(CANARIES["data"])}}
        yield put({**secret, **values})
    if name == "generated":
        generator = {"name": "generated-refused", "literals": [f"a={CANARIES['generated']}"]}
        yield (
            "kustomization.yaml",
            msgspec.json.encode({"resources": ["configmap-generated-good.yaml"], "secretGenerator": [generator]}),
        )


# ── where to look ────────────────────────────────────────────────────────────────────────────────────────────────


def places(world: World, metrics: Metrics, records: list[logging.LogRecord], folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of every place that a canary must not be in, beside bundles and pages."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("ledger.db"):
            yield f"file {path.name}", path.read_bytes().decode("latin-1")
    reader = SqliteReader(folder / "ledger.db")
    for stored in reader.read():
        text = (stored.header + (stored.body or b"")).decode()
        yield f"position {stored.seq}: {text[:2000]}", text
    reader.close()
    for kind in ("StageSet", "StageInventory", "StageLedger"):
        for obj in world.list("stages.metio.wtf/v1", kind):
            yield f"{kind} {obj['metadata']['name']}", json.dumps(obj, ensure_ascii=False)
    for version in ("v1", "events.k8s.io/v1"):
        for obj in world.list(version, "Event"):
            yield f"Event {json.dumps(obj)[:500]}", json.dumps(obj, ensure_ascii=False)
    yield "metrics", metrics.render().decode()
    formatter = logging.Formatter()
    for record in records:
        yield f"log {record.name}", formatter.format(record)


def inside(artifact: bytes) -> list[str]:
    """The texts of an artifact's files."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(artifact))) as archive:
        return [archive.extractfile(entry).read().decode() for entry in archive]  # type: ignore[union-attr]
