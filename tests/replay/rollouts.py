"""Ledgers of runs that the shipped hands rolled out on a MemoryCluster with the real kustomize, in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import replace

from ledger import events as e
from ledger.direct_commit import DirectCommit
from ledger.envelope import Actor, Draft
from ledger.instant import to_text
from ledger.log import Batch
from ledger.memory_log import MemoryLog
from reconciler import digests
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands import Performer, Tools
from reconciler.adapters.kustomize import Builder, find_tool
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.compute import fetching
from reconciler.compute.urlguard import Guard, Refusal
from reconciler.effects import entry_of_draft
from reconciler.errors import NoAccount, OperationError
from reconciler.plan import plan
from reconciler.ports.hands import Order, Target
from reconciler.ports.requests import Call, CallError, Reply
from reconciler.state import State
from reconciler.step import step
from replay.bundle.export import Wanted, export
from replay.performing.kustomize import Runner, Workshop
from replay.performing.loop import InstantClock, run
from tests.reconciler.making import START_MS, pins, policy_for

TARGET = Target("shop", "rel", "0a1b2c3d")
STREAM = "stageset/shop/rel/0a1b2c3d"


@cache
def tool() -> Any:
    return asyncio.run(find_tool())


def archive(files: dict[str, Any]) -> bytes:
    """A .tar.gz; values that are no text are YAML."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, content in files.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            data = content if isinstance(content, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def config(name: str = "web", **data: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data or {"a": "b"}}


def deployment(name: str = "web", **annotations: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
    }


class Server:
    """Artifacts by URL, refused in the words of the real fetcher."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.guard = Guard.of((), flag="--allowed-artifact-hosts")

    async def fetch(self, url: str, digest: str) -> bytes:
        fetching.expected(digest, url)
        try:
            self.guard.check_url(url)
        except Refusal as refusal:
            raise fetching.refused(url, refusal, guard=self.guard) from None
        if url not in self.bodies:
            raise fetching.bad_status(url, status=404, phrase="Not Found")
        body = self.bodies[url]
        if len(body) > 1_000_000:
            raise fetching.oversized(url, len(body), cap=1_000_000)
        fetching.check(url, digest, found=hashlib.sha256(body).hexdigest(), size_bytes=len(body))
        return body


class Hooks:
    """Answers of hosts by URL; the guard is the real one."""

    def __init__(self) -> None:
        self.guard = Guard.of((), flag="--allowed-action-hosts", narrow=True)
        self.replies: dict[str, int] = {}

    async def call(self, call: Call, *, within_s: float) -> Reply:
        try:
            host = self.guard.check_url(call.url).host
        except Refusal as refusal:
            facts = fetching.judged(refusal, self.guard)
            raise CallError(
                str(refusal), reason="URLRefused", retryable=False, doubtful=False, evidence=facts
            ) from None
        if call.url not in self.replies:
            message = f"the name {host} does not resolve: check {host} and the network between"
            raise CallError(message, reason="Unreachable", retryable=True, doubtful=False)
        return Reply(host, self.replies[call.url], "text/plain", "as it says")


class Rollout:
    """One StageSet, its ledger, and the world that it meets."""

    def __init__(self, folder: str) -> None:
        self.clock = InstantClock(START_MS)
        self.log = MemoryLog(ledger="rollouts", at=to_text(START_MS), chance=bytes)
        self.epoch = self.log.open_epoch(
            actor=Actor(kind="controller", id="test", how="test"), at=to_text(START_MS), reason="start"
        )
        self.cluster = MemoryCluster(lambda: self.clock.now_ms() / 1000)
        self.clusters = Clusters(self.cluster, act_as=self._act_as, jitter=lambda: 0.5)
        self.server, self.hooks = Server(), Hooks()
        self.accounts_gone: set[str] = set()
        found = tool()
        shop = Workshop(found.argv, found.identity, folder, nullcontext, os.open(os.devnull, os.O_RDONLY))
        self.tools = Tools(
            clusters=self.clusters, fetcher=self.server, caller=self.hooks, builder=Builder(Runner(shop)),
            tool=found.identity, journal=DirectCommit(self.log), clock=self.clock, key=b"k" * 32,
        )  # fmt: skip
        self.performer = Performer(self.tools)
        self.state = State(stream=STREAM)
        self._nothing = shop.nothing

    def _act_as(self, namespace: str, name: str) -> Any:
        if name in self.accounts_gone:
            return _Gone(name)
        return self.cluster.as_user(f"system:serviceaccount:{namespace}:{name}")

    async def release(self, given: dict[str, Any], *, trigger: e.Trigger = "snapshot", **files: Any) -> str:
        """Open a run whose stages have these artifacts, see it to its rest, and return its id."""
        found = []
        for pin in pins(*(stage["name"] for stage in given["stages"])):
            body = files[pin.stage] if isinstance(files[pin.stage], bytes) else archive(files[pin.stage])
            name = "sha256:" + hashlib.sha256(body).hexdigest()
            url = f"http://source.test/{pin.stage}/{name[7:19]}.tar.gz"
            self.server.bodies[url] = body
            found.append(replace(pin, url=url, digest=name))
        for name, body in files.items():
            if "__" in name:
                stage, action = name.split("__")
                digest = "sha256:" + hashlib.sha256(archive(body)).hexdigest()
                url = f"http://source.test/{action}.tar.gz"
                self.server.bodies[url] = archive(body)
                found.append(replace(found[0], stage=stage, action=action, url=url, digest=digest))
        return await self.open(given, found, trigger=trigger)

    async def open(self, given: dict[str, Any], found: list[e.Pin], *, trigger: e.Trigger = "snapshot") -> str:
        version = self.state.version + 1
        event = e.RunOpened(trigger=trigger, generation=1, spec=given, pins=found, policy=policy_for(given))
        run_id = f"shop/rel/0a1b2c3d-{version}"
        await self.fact(Draft(event=event, run=run_id, actor=Actor(kind="controller", id="test", how="test")))
        while self.state.pending is not None:
            await self._perform()
        return run_id

    async def fact(self, draft: Draft) -> None:
        at_ms = self.clock.now_ms()
        result = step(self.state, entry_of_draft(draft, at_ms=at_ms, ver=self.state.version + 1))
        drafts = (draft, *result.decisions)
        self.log.append(
            Batch(stream=STREAM, expected=self.state.version, epoch=self.epoch, at=to_text(at_ms), drafts=drafts)
        )
        self.state = result.state

    async def _perform(self) -> None:
        (effect,) = plan(self.state).effects

        def seen(event: e.Event) -> Draft:
            run = self.state.run
            assert run is not None
            return Draft(
                event=event, actor=Actor(kind="world", id=effect.operation), run=run.id, snapshot=run.snapshot,
                stage=effect.stage, intent=effect.intent, idem=effect.key, res=digests.of(event),
            )  # fmt: skip

        async def report(event: e.Event) -> None:
            await self.fact(seen(event))

        answer = await self.performer.perform(Order(effect._replace(first=True), TARGET, self.state, report))
        await self.fact(replace(seen(answer.event), outcome=answer.outcome, blobs=answer.blobs))

    async def close(self) -> None:
        await self.clusters.close()
        os.close(self._nothing)


class _Gone:
    def __init__(self, name: str) -> None:
        self._name = name

    async def version(self) -> dict[str, str]:
        status = {"kind": "Status", "code": 404, "reason": "NotFound", "details": {"name": self._name}}
        raise NoAccount(
            f"ServiceAccount shop/{self._name} does not exist: create it, or correct serviceAccountName", status=status
        )


Story = Callable[[Rollout], Awaitable[Any]]


def told(story: Story) -> tuple[MemoryLog, str]:
    """The ledger of a story, and its last run."""
    tool()

    async def main() -> tuple[MemoryLog, str]:
        with tempfile.TemporaryDirectory() as folder:
            rollout = Rollout(folder)
            await rollout.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
            ticking = asyncio.ensure_future(_tick(rollout.cluster))
            try:
                found = await story(rollout)
            finally:
                ticking.cancel()
                await rollout.close()
            return rollout.log, found

    return run(main)


async def _tick(cluster: MemoryCluster) -> None:
    while True:
        await cluster.tick()
        await asyncio.sleep(0.1)


def bundle(story: Story, folder: Path) -> Path:
    """The last run of a story as a file."""
    log, run_id = told(story)
    path = folder / "run.stagereplay"
    path.write_bytes(b"".join(export(log, Wanted(STREAM, run_id))))
    return path


def spec(*stages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    found = [{"name": name, "sourceRef": {"name": name}, **one} for one in stages for name in [one.get("name", "db")]]
    return {"retryInterval": "1m", "interval": "10m", **fields, "stages": found}


__all__ = ["OperationError", "Rollout", "archive", "bundle", "config", "deployment", "spec", "told"]
