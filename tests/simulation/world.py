"""A cluster, an artifact server, a ledger, and a controller on them that can be killed and started at any moment."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from ledger.direct_commit import DirectCommit
from ledger.envelope import Actor
from ledger.instant import to_text
from ledger.memory_log import MemoryLog
from reconciler import errors
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands import Tools
from reconciler.adapters.kustomize import Builder
from reconciler.adapters.memory.cluster import MemoryCluster
from reconciler.adapters.memory.flux import source_crds
from reconciler.api import names
from reconciler.compute.inventory import KIND as INVENTORY
from reconciler.installation import Given, Installation, project
from reconciler.loop.memory import Memory
from reconciler.ports.cluster import Object, Ref, Scope
from reconciler.settings import Settings
from tests.simulation.checkers import Monitor, check_ledger, labelled, story
from tests.simulation.http_server import HttpServer, SimCaller
from tests.simulation.manifests import NAMESPACE, Thing, archive, files_of
from tests.simulation.ports import (
    CALM,
    ArtifactServer,
    Chances,
    Fate,
    Line,
    Renderer,
    SimCluster,
    SimFetcher,
    SimJournal,
)
from tests.simulation.virtual import EPOCH_S, INCARNATION, VirtualClock, VirtualLoop

CRDS = Path(__file__).parents[2] / "deploy" / "crds"
KINDS = ("stagesets", "stageinventories", "stageledgers")
SOURCE = "source.toolkit.fluxcd.io/v1"
#: What a killed controller may take to come back, in seconds.
DOWN_S = 3.0
#: What another one waits before it takes over from one that stands still: the duration of the Lease, in seconds.
LEASE_S = 15.0
#: How long one that has lost its Lease takes to end after it goes on, in seconds.
ENDING_S = 0.5
#: How long one that was replaced goes on standing still; how long the network or the disk is away; in seconds.
STANDS_S, OUTAGE_S = 10.0, 5.0

#: Decides what meets a controller at a boundary.
Trap = Callable[[Line, str, Any], Fate]


class _Silent:
    def recorded(self, member: Any, drafts: Any) -> None:
        pass


@cache
def _definitions(*, whole: bool) -> str:
    """The kinds that the controller needs; unless `whole`, what a StageSet's spec may hold is not checked."""
    found = [yaml.load((CRDS / f"stages.metio.wtf_{kind}.yaml").read_text(), yaml.CSafeLoader) for kind in KINDS]
    if not whole:
        schema = found[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return json.dumps([*source_crds()[: 4 if whole else 1], *found])


class World:
    """One simulated installation. Everything that happens in it follows from the seed."""

    def __init__(
        self,
        loop: VirtualLoop,
        *,
        seed: int | str,
        chances: Chances = CALM,
        runner: Any = None,
        name: str = "memory",
    ) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.seed = seed
        self.chances = chances
        self.monitor = Monitor()
        self.server = ArtifactServer()
        self.http = HttpServer()
        self.runner = runner or Renderer()
        chance = Random(f"{seed}/salt")
        self.log = MemoryLog(ledger="simulated", at=self.now_text(), chance=chance.randbytes)
        self.memory = MemoryCluster(lambda: EPOCH_S + loop.time(), name=name)
        #: places where the controller could have been killed, so far
        self.boundaries = 0
        #: numbers of the boundaries at which it is
        self.crash_at: set[int] = set()
        #: what else decides; it is asked at every boundary of every incarnation
        self.trap: Trap | None = None
        self.crashes: list[str] = []
        #: how long a controller that was killed takes to come back, in seconds
        self.down_s = DOWN_S
        #: how long a controller that lost its Lease while it stood still goes on standing still, in seconds
        self.stands_s = STANDS_S
        #: how long it then goes on beside the other one, in seconds
        self.ending_s = ENDING_S
        #: how long the network or the disk is away, in seconds
        self.outage_s = OUTAGE_S
        #: whether a controller looks at its Lease before an effect; else nothing but epochs keeps two apart
        self.leases = True
        self.told: list[str] = []
        self.line: Line | None = None
        self.installation: Installation | None = None
        self._number = 0
        self._ticking: asyncio.Handle | None = None
        self._context = contextvars.copy_context()
        self._supervisors: dict[int, asyncio.Task[None]] = {}
        self._stand_ins: list[asyncio.Task[None]] = []
        self.installations: dict[int, Installation] = {}
        self.monitor.outside.peek = self.peek
        self.memory.world.on_due.append(self._poke)

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def now_text(self) -> str:
        return to_text(self.clock.now_ms())

    def tell(self, text: str) -> None:
        self.told.append(f"{self.now_text()[11:23]} {text}")

    def _poke(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        self._ticking = self.loop.call_soon(self._tick, context=self._context)

    def _tick(self) -> None:
        self._ticking = None
        self.memory.world.tick()
        due = self.memory.next_due()
        if due is not None and self._ticking is None:
            # Whole microseconds later than due, so that it is due by every rounding.
            when = max(due - EPOCH_S, self.loop.time()) + 2e-6
            self._ticking = self.loop.call_at(when, self._tick, context=self._context)

    # ── the controller ───────────────────────────────────────────────────────────────────────────────────────────

    async def begin(self, *, whole: bool = False) -> None:
        """Install the kinds, make the namespace, start the controller and whoever restarts it."""
        for definition in json.loads(_definitions(whole=whole)):
            await self.memory.create(definition)
        await self.memory.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        await asyncio.sleep(0.5)
        self.start()

    def _happens_here(self, line: Line, where: str, about: Any) -> Fate:
        self.boundaries += 1
        fate: Fate = "kill" if self.boundaries in self.crash_at else ""
        if not fate and self.trap is not None:
            fate = self.trap(line, where, about)
        return self._met(line, fate, f"boundary {self.boundaries}: {where}")

    def strike(self, fate: Fate) -> None:
        """What meets the controller now, wherever it is."""
        line = self.line
        if self._met(line, fate, "any place") == "kill":
            line.cut()
        elif fate == "stop":
            line.stop()

    def _met(self, line: Line, fate: Fate, where: str) -> Fate:
        if not fate:
            return ""
        self.crashes.append(where)
        self.tell(f"{fate.upper()} of {line.number} at {where}")
        if fate == "lose":
            line.lost_until_s = self.loop.time() + self.outage_s
            # After this turn: whoever is at it goes on first.
            self.after(0, self.memory.drop_watches)
        if fate == "fill":
            line.full_until_s = self.loop.time() + self.outage_s
        return fate

    def after(self, seconds: float, call: Callable[[], Any]) -> None:
        """Call something of the world's, not of a controller's, later."""
        self.loop.call_later(seconds, call, context=self._context.copy())

    def start(self) -> None:
        """A new process on the same ledger and the same cluster: fold, take over, watch."""
        self._number += 1
        self._context.copy().run(self._start)
        line = self.line
        self._supervisors[line.number] = self._context.copy().run(asyncio.ensure_future, self._supervise(line))

    def _start(self) -> None:
        token = INCARNATION.set(self._number)
        try:
            rng = Random(f"{self.seed}/{self._number}")
            line = self.line = Line(number=self._number, rng=rng, chances=self.chances, crash=self._happens_here)
            line.on_stop = lambda: self._stop(line)
            self.monitor.current = self._number
            memory = Memory()
            memory.load(self.log, checkpoints=None)
            epoch = self.log.open_epoch(actor=Actor(kind="controller"), at=self.now_text(), reason="start")
            self.installation = self.installations[line.number] = Installation(
                Given(
                    tools=self._tools(line, rng),
                    settings=Settings(default_interval_ms=60_000),
                    memory=memory,
                    reader=self.log,
                    teller=_Silent(),
                    epoch=epoch,
                    dispossessed=lambda refusal: self._dispossessed(line, refusal),
                    may_act=lambda: line.holds_lease or not self.leases,
                )
            )
            self.installation.start()
        finally:
            INCARNATION.reset(token)

    def _tools(self, line: Line, rng: Random) -> Tools:
        def identity(user: str, *groups: str, account: Callable[[], Any] | None = None) -> Any:
            found = self.memory.as_user(user, groups=groups, manager="stageset-controller")
            return SimCluster(found, line=line, monitor=self.monitor, account=account)

        def tenant(namespace: str, name: str) -> Any:
            there = Ref("v1", "ServiceAccount", namespace, name)

            def token() -> None:
                if self.peek(there) is None:
                    raise errors.NoAccount(f"ServiceAccount {namespace}/{name} does not exist: create it, or correct …")

            return identity(f"system:serviceaccount:{namespace}:{name}", account=token)

        clusters = Clusters(
            identity("system:serviceaccount:stageset-system:stageset-controller", "system:masters"),
            act_as=tenant,
            jitter=rng.random,
            project=project,
        )
        return Tools(
            clusters=clusters,
            fetcher=SimFetcher(self.server, line=line),
            caller=SimCaller(self.http, line=line, monitor=self.monitor),
            builder=Builder(self.runner),
            tool="simulated",
            journal=SimJournal(DirectCommit(self.log), line=line, monitor=self.monitor),
            clock=self.clock,
            key=b"k" * 32,
        )

    def _dispossessed(self, line: Line, refusal: Exception) -> None:
        if line.number == self.line.number:
            self.monitor.violations.append(f"dispossessed: {refusal}")
        self.tell(f"{line.number} is dispossessed: {refusal}")

    async def kill(self, line: Line | None = None) -> None:
        """End a process: nothing of it reaches the world any more, nothing of it is left."""
        line = line or self.line
        line.cut()
        self.loop.thaw(line.number)
        tasks = self.loop.tasks.get(line.number, {})
        for _ in range(50):
            self.loop.drop_timers(line.number)
            if not tasks:
                break
            for task in list(tasks):
                task.cancel()
            await asyncio.sleep(0)
        assert not tasks, f"tasks that do not end when cancelled: {list(tasks)[:3]}"
        self.installations.pop(line.number, None)
        self._supervisors.pop(line.number, None)

    async def _supervise(self, line: Line) -> None:
        """Whoever is killed comes back, unless another one has taken over."""
        await line.killed.wait()
        await self.kill(line)
        if line.number == self._number:
            await asyncio.sleep(self.down_s)
            if line.number == self._number:
                self.start()

    def _stop(self, line: Line) -> None:
        self.loop.freeze(line.number)
        self.monitor.stopped.add(line.number)
        self._stand_ins.append(self._context.copy().run(asyncio.ensure_future, self._stand_in(line)))

    @property
    def standing(self) -> bool:
        """Whether a controller stands still, or goes on and has not ended."""
        return not all(task.done() for task in self._stand_ins)

    async def _stand_in(self, line: Line) -> None:
        """Another one takes over from one that stands still; that one goes on, too late, and ends."""
        await asyncio.sleep(LEASE_S)
        if line.number == self._number:
            self.start()
        await asyncio.sleep(self.stands_s)
        self.tell(f"{line.number} goes on")
        self.loop.thaw(line.number)
        # Two that are alive write over each other's projections; where a request takes no time, neither does that.
        self.loop.on_spin = line.cut
        await asyncio.sleep(self.ending_s)
        self.loop.on_spin = lambda: None
        if line.alive:
            self.tell(f"{line.number} ends")
            line.cut()

    async def restart(self) -> None:
        """Kill it now; its supervisor starts it again."""
        self.line.cut()
        await asyncio.sleep(self.down_s + 0.1)

    async def replace_ledger(self, log: MemoryLog) -> None:
        """The controller ends, and comes back with another ledger."""
        self.exchange(log)
        await self.restart()

    def exchange(self, log: MemoryLog) -> None:
        """From the next start on, this is the ledger."""
        self.tell(f"the ledger of {self.log.head().number} records is replaced by one of {log.head().number}")
        self.log = log
        self.monitor.refold(log)

    async def end(self) -> None:
        """Stop in order, and see that nothing is left."""
        await asyncio.gather(*self._stand_ins)
        # Whoever was told to end has ended.
        await asyncio.sleep(1)
        for supervisor in self._supervisors.values():
            supervisor.cancel()
        line = self.line
        installation = self.installations.get(line.number)
        if installation is not None:
            token = INCARNATION.set(line.number)
            try:
                await asyncio.wait_for(asyncio.ensure_future(installation.close()), 60)
            finally:
                INCARNATION.reset(token)
            for _ in range(5):
                await asyncio.sleep(0)
            left = list(self.loop.tasks.get(line.number, {}))
            assert not left, f"tasks left after close: {left[:3]}"
            assert not self.memory.world.store.watchers, "watches left after close"

    def calm(self) -> None:
        """From here on nothing fails and nobody is killed."""
        self.chances = CALM
        self.line.chances = CALM
        self.crash_at = set()
        self.trap = None

    # ── sources ──────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(
        self, source: str, revision: str, things: list[Thing], *, broken: bool = False, lying: bool = False
    ) -> None:
        """A source shows another artifact. `lying`: its digest is not that of its bytes."""
        self._publish(source, revision, archive(files_of(things, broken=broken)), lying=lying)
        self.tell(f"source {source} shows {revision}{' broken' * broken}{' lying' * lying}: {things}")

    def publish_files(self, source: str, revision: str, files: dict[str, Object]) -> None:
        """A source shows an artifact of these manifests."""
        self._publish(source, revision, archive({name: json.dumps(one).encode() for name, one in files.items()}))
        self.tell(f"source {source} shows {revision}: {sorted(files)}")

    def _publish(self, source: str, revision: str, body: bytes, *, lying: bool = False) -> None:
        url = f"http://artifacts.{NAMESPACE}/{source}/{revision}.tar.gz"
        self.server.bodies[url] = body
        digest = hashlib.sha256(b"something else" + revision.encode() if lying else body).hexdigest()
        artifact = {
            "url": url,
            "digest": f"sha256:{digest}",
            "revision": revision,
            "path": f"{source}/{revision}",
            "lastUpdateTime": "2030-01-01T00:00:00Z",
        }
        self.show_source(source, artifact=artifact)

    def show_source(self, source: str, *, artifact: Object | None = None, ready: str = "True") -> None:
        ref = Ref(SOURCE, "ExternalArtifact", NAMESPACE, source)
        metadata = {"name": source, "namespace": NAMESPACE}
        if self.peek(ref) is None:
            spec = {"sourceRef": {"apiVersion": "x.example/v1", "kind": "Y", "name": source}}
            self.do(
                self.memory.create(
                    {"apiVersion": SOURCE, "kind": "ExternalArtifact", "metadata": metadata, "spec": spec}
                )
            )
        condition = {
            "type": "Ready",
            "status": ready,
            "reason": "Told",
            "message": "",
            "lastTransitionTime": "2030-01-01T00:00:00Z",
        }
        status = {"conditions": [condition]} | ({"artifact": artifact} if artifact else {})
        self.do(self.memory.patch(ref, {"status": status}, type="merge", subresource="status"))

    # ── the cluster, by an administrator's hand ──────────────────────────────────────────────────────────────────

    @staticmethod
    def do(request: Any) -> Any:
        """A request of MemoryCluster answers without waiting for anything."""
        try:
            request.send(None)
        except StopIteration as answer:
            return answer.value
        raise AssertionError("a request of MemoryCluster waited")

    def peek(self, ref: Ref) -> Object | None:
        try:
            return self.do(self.memory.get(ref))
        except errors.ClusterError:
            return None

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        try:
            return self.do(self.memory.list(Scope(api_version, kind, namespace))).items
        except errors.NoSuchKind:
            return []

    def owned_objects(self) -> list[tuple[Object, str, str, str]]:
        """Everything with owner labels, of all kinds: object, namespace, name and stage of its owner."""
        found: list[Object] = []
        for spaces in self.memory.world.store._objects.values():
            for entries in spaces.values():
                found += [entry.obj for entry in entries.values()]
        return [one for one in labelled(found) if one[0]["kind"] != INVENTORY]

    def stageset(self, name: str) -> Object | None:
        return self.peek(stageset_ref(name))

    def ready(self, name: str) -> tuple[str, str, str]:
        found = self.stageset(name) or {}
        for condition in (found.get("status") or {}).get("conditions") or ():
            if condition["type"] == "Ready":
                return condition["status"], condition["reason"], condition["message"]
        return "", "", ""

    def edit(self, name: str, change: Callable[[Object], None]) -> None:
        """Change a StageSet as kubectl would."""
        found = self.stageset(name)
        if found is not None:
            change(found)
            self.do(self.memory.replace(found))

    def inventories(self) -> dict[str, Any]:
        found = self.list(names.API_VERSION, INVENTORY, NAMESPACE)
        return {one["metadata"]["name"]: one["spec"] for one in found}

    # ── waiting and checking ─────────────────────────────────────────────────────────────────────────────────────

    async def until(self, what: str, holds: Callable[[], bool], *, within_s: float, pause_s: float = 0.25) -> float:
        """Wait until something holds; returns how many seconds it took. Raises where it does not within the time."""
        began = self.loop.time()
        while not holds():
            self.check()
            waited = self.loop.time() - began
            assert waited < within_s, f"not within {within_s:g} s: {what}; {self._now_words()}"
            await asyncio.sleep(pause_s if waited < 30 else 1.0)
        self.check()
        return self.loop.time() - began

    def _now_words(self) -> str:
        sets = self.list(names.API_VERSION, "StageSet", NAMESPACE)
        return str({one["metadata"]["name"]: self.ready(one["metadata"]["name"]) for one in sets})

    def check(self) -> None:
        """Nothing was violated so far."""
        if self.monitor.violations:
            raise AssertionError(self.monitor.violations[:3]) from _Tracebacks.last
        if self.loop.bugs:
            bug = self.loop.bugs[0]
            raise AssertionError(f"a bug of ours: {bug!r}") from (bug if isinstance(bug, BaseException) else None)

    def check_all(self) -> None:
        self.check()
        check_ledger(self.log, self.monitor)

    def tail(self) -> str:
        return "\n".join([*self.told[-40:], "", story(self.log)])


def stageset_ref(name: str) -> Ref:
    return Ref(names.API_VERSION, "StageSet", NAMESPACE, name)


def stageset(name: str, stages: list[dict[str, Any]], **spec: Any) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    defaults = {"interval": "60s", "retryInterval": "10s", "timeout": "20s"}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "StageSet",
        "metadata": metadata,
        "spec": {**defaults, **spec, "stages": stages},
    }


class _Tracebacks(logging.Handler):
    """Keeps the last exception that was logged as a bug, for the story."""

    last: Any = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            _Tracebacks.last = record.exc_info[1]


logging.getLogger("reconciler").addHandler(_Tracebacks())
logging.getLogger("reconciler").propagate = False
