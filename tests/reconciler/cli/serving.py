"""A cluster in memory behind its HTTP face, in a thread, with a stand-in for the controller: for tests of commands."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from msgspec import json
from msgspec.structs import replace

from ledger.envelope import Head
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.sandbox import serve
from reconciler.api import crd, names
from reconciler.api.problems import Problem
from reconciler.compute.fields import strings
from reconciler.compute.requests import Reset, Resolution, parse
from reconciler.compute.stageledger import desired, facts_of, shown_of
from reconciler.errors import NotFound
from reconciler.ports.cluster import Object, Ref
from reconciler.state import Completion, State

T = TypeVar("T")
STAGESET = Ref(names.API_VERSION, "StageSet", "shop", "rel")
LEDGER = Ref(names.API_VERSION, "StageLedger", "shop", "rel")
DEADLINE_S = 20.0
LIFETIME = {"pre": [{"name": "migrate", "scope": "Lifetime", "wait": {}}], "post": [{"name": "announce", "wait": {}}]}
SPEC = {
    "stages": [
        {"name": "database", "sourceRef": {"name": "database"}, "actions": LIFETIME},
        {"name": "app", "sourceRef": {"name": "app"}},
    ]
}


class Served:
    """The cluster, from the test's thread."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.cluster = MemoryCluster(lambda: 1_900_000_000.0)
        self.loop = asyncio.new_event_loop()
        #: what the stand-in has taken up: kinds and tokens, in order
        self.taken: list[tuple[str, str]] = []
        self.state = State(stream="stageset/shop/rel/1", version=1)
        self.controls = True

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the cluster's own thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    def get(self, ref: Ref = STAGESET) -> Object:
        return self.call(self.cluster.get(ref))

    def stageset(self, *, held: dict[str, list[str]] | None = None, **spec: Any) -> None:
        """A StageSet, and what its status says is held."""
        metadata = {"namespace": "shop", "name": "rel"}
        self.call(
            self.cluster.create(
                {"apiVersion": names.API_VERSION, "kind": "StageSet", "metadata": metadata, "spec": {**SPEC, **spec}}
            )
        )
        self.hold(held or {})

    def hold(self, held: dict[str, list[str]]) -> None:
        """The status says that these actions are held, by stage."""
        stages = [{"name": name, "heldActions": actions} for name, actions in held.items()]
        self.call(self.cluster.patch(STAGESET, {"status": {"stages": stages}}, type="merge", subresource="status"))

    async def control(self) -> None:
        """Take up what is asked for and project it, as the controller does."""
        while True:
            await asyncio.sleep(0.005)
            if self.controls:
                with suppress(NotFound):
                    await self._requests()
                await self._ledger()

    async def _requests(self) -> None:
        found = await self.cluster.get(STAGESET)
        annotations = strings(found, "metadata", "annotations")
        before, handled = dict(self.state.handled), dict(self.state.handled)
        status: dict[str, Any] = {}
        for request in parse(annotations):
            assert not isinstance(request, Problem), request
            if handled.get(request.kind) != request.token:
                handled[request.kind] = request.token
                self.taken.append((request.kind, request.token))
                if isinstance(request, Resolution):
                    status["stages"] = [{"name": request.stage}]
                if isinstance(request, Reset):
                    self._revoke(f"{request.stage}/{request.action}")
        asked = annotations.get(names.REQUESTED_AT, "")
        if asked != (found.get("status") or {}).get("lastHandledReconcileAt", ""):
            status["lastHandledReconcileAt"] = asked
            self.taken.append(("reconcile", asked))
        if handled != before or status:
            self.state = replace(self.state, handled=handled)
            patch = {"status": {**status, "handledRequests": handled}}
            await self.cluster.patch(STAGESET, patch, type="merge", subresource="status")

    def _revoke(self, key: str) -> None:
        completions = {name: one for name, one in self.state.completions.items() if name != key}
        version = self.state.version + 1
        self.state = replace(self.state, version=version, completions=completions, revoked={key: version})

    async def _ledger(self) -> None:
        try:
            shown = shown_of(await self.cluster.get(LEDGER))
        except NotFound:
            return
        spec = json.encode(SPEC)
        for stage, event in facts_of(self.state, shown=shown, spec=spec):
            done = Completion(stage=stage, action=event.action, origin=event.origin, source=event.source)
            completions = {**self.state.completions, f"{stage}/{event.action}": done}
            self.state = replace(self.state, version=self.state.version + 1, completions=completions)
        status = desired(self.state, shown=shown, spec=spec, head=Head(self.state.version, "sha256:x"))
        if status != shown.status:
            patch = [{"op": "add", "path": "/status", "value": status}]
            await self.cluster.patch(LEDGER, patch, type="json", subresource="status")

    async def serve(self, ready: asyncio.Event, stop: asyncio.Event) -> None:
        for definition in map(crd.document, crd.CRDS):
            await self.cluster.create(definition)
        await self.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        await self.cluster.tick()
        async with await serve(self.cluster, kubeconfig_path=self.kubeconfig):
            controller = asyncio.ensure_future(self.control())
            ready.set()
            await stop.wait()
            controller.cancel()
            await asyncio.gather(controller, return_exceptions=True)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """A cluster that answers until the end of the block."""
    made = Served(folder / "kubeconfig")
    ready, stop = asyncio.Event(), asyncio.Event()
    thread = Thread(target=made.loop.run_until_complete, args=(made.serve(ready, stop),))
    thread.start()
    try:
        made.call(_within(ready))
        yield made
    finally:
        made.loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE_S)
        made.loop.close()


async def _within(event: asyncio.Event) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await event.wait()
