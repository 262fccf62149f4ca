"""The controller process: settings in, a running installation out. The only place that makes the shipped parts.

Order matters: the Lease is ours, then the ledger is open and folded, and its epoch is ours, before the first watch
begins. The way out is the way back: the Lease is given up last, when nothing of us acts or writes any more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random  # noqa: TID251 (chance of the adapters: it spreads their retries and is never recorded)
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from ledger.envelope import Actor
from ledger.errors import AppendRefused, LedgerError, Locked
from ledger.group_commit import GroupCommit
from ledger.instant import to_text
from ledger.sqlite_log import SqliteLog
from reconciler import VERSION
from reconciler.adapters.artifacts import Fetcher
from reconciler.adapters.clock import SystemClock, elapsed_s
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.ending import DISPOSSESSED, Ending
from reconciler.adapters.hands import Tools
from reconciler.adapters.kubernetes import KubernetesCluster, Remotes, from_kubeconfig, in_cluster
from reconciler.adapters.kubernetes.identity import ServiceAccountToken
from reconciler.adapters.kustomize import Builder, Kustomize, find_tool
from reconciler.adapters.lease import Ambient, Election, Terms
from reconciler.adapters.metrics import CONTENT_TYPE, MeasuredJournal, Metrics, Sight
from reconciler.adapters.probes import Health, serving
from reconciler.adapters.requests import Caller
from reconciler.adapters.telling import Tellers
from reconciler.compute.urlguard import Guard
from reconciler.errors import OperationError
from reconciler.installation import Given, Installation, project
from reconciler.loop.memory import Memory
from reconciler.ports.cluster import Cluster
from reconciler.ports.members import Teller
from reconciler.settings import Settings

log = logging.getLogger(__name__)

ARTIFACT_FLAG = "--allowed-artifact-hosts"
ACTION_FLAG = "--allowed-action-hosts"
CLUSTER_FLAG = "--allowed-cluster-hosts"
KEY_BYTES = 32
#: Where a Pod finds the name of its namespace.
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: What effects that must not be broken off get to end in, in seconds.
GRACE_S = 20.0
#: How often a ledger that another process has open is tried again, in seconds.
LOCKED_PAUSE_S = 1.0
#: Every so many tries the log says again what is waited for.
LOCKED_TRIES = 60


class Standing:
    """How far the process has come: what its probes and its gauge answer."""

    def __init__(self) -> None:
        #: what is not there yet; empty for a standby, which is ready to take over
        self.missing = ""
        self.installation: Installation | None = None
        self.may_act: Callable[[], bool] = bool
        self._writer: tuple[MeasuredJournal, GroupCommit] | None = None

    def working(self, installation: Installation, journal: MeasuredJournal, commit: GroupCommit) -> None:
        """The installation is there."""
        self.installation, self._writer = installation, (journal, commit)

    def leads(self) -> bool:
        """Whether this process may act."""
        return self.installation is not None and self.may_act()

    def ready(self) -> str:
        """Why not; empty when all StageSets were seen. A standby is ready: else no rolling update could go on."""
        if self.installation is None:
            return self.missing
        return "" if self.installation.ready else "not all StageSets have been seen yet"

    async def healthy(self) -> str:
        """Why the ledger cannot be written; empty while it can. That this answers shows that the event loop turns."""
        if self._writer is None:
            return ""
        journal, commit = self._writer
        if not journal.problem:
            try:
                await commit.call(commit.log.head)
            except LedgerError as error:
                return str(error)
        return journal.problem


@asynccontextmanager
async def running(settings: Settings, *, teller: Teller, ending: Ending) -> AsyncIterator[Installation]:
    """A started installation on the settings' cluster and ledger.

    Waits, for as long as it takes, until the Lease is ours and no other process has the ledger open. Raises `Ended`
    when the process is asked to end before it has started.
    """
    clock, standing, metrics = SystemClock(), Standing(), Metrics()
    metrics.leads(standing.leads)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_served(settings, standing, metrics))
        cluster = await connected(settings)
        stack.push_async_callback(cluster.close)
        election = await _elected(settings, cluster, ending=ending, stack=stack)
        standing.may_act = election.valid if election else _always
        standing.missing = "the ledger is not open yet" if election else ""
        ledger = await ending.before_end(_opened(settings.ledger, clock))
        stack.callback(ledger.close)
        standing.missing = "the ledger is being read"
        memory = Memory()
        await asyncio.to_thread(memory.load, ledger, checkpoints=ledger.checkpoints)
        ending.check()
        epoch = ledger.open_epoch(
            actor=Actor(kind="controller", id=election.identity if election else socket.gethostname(), how="process"),
            at=to_text(clock.now_ms()),
            reason=f"lease taken from {election.taken_from}" if election and election.taken_from else "start",
            software=f"stageset-controller {VERSION}",
        )
        commit = GroupCommit(ledger)
        stack.push_async_callback(commit.close)
        journal = MeasuredJournal(commit, registry=metrics.registry)
        tools = await _tools(settings, cluster, journal=journal, stack=stack)
        given = Given(
            tools=tools,
            settings=settings,
            memory=memory,
            reader=ledger,
            teller=Tellers(teller, metrics),
            epoch=epoch,
            dispossessed=partial(_dispossessed, ending),
            may_act=standing.may_act,
        )
        installation = Installation(given)
        stack.push_async_callback(installation.close, grace_s=GRACE_S)
        ending.halting(installation.halt)
        ending.check()
        metrics.look_at(_sight(installation, tools))
        standing.working(installation, journal, commit)
        installation.start()
        yield installation


def terms_of(settings: Settings) -> Terms:
    """The durations of the election. Raises `BadTerms`."""
    return Terms(
        duration_s=settings.leader_election_lease_duration_ms / 1000,
        deadline_s=settings.leader_election_renew_deadline_ms / 1000,
        retry_s=settings.leader_election_retry_period_ms / 1000,
    ).checked()


def election_namespace(settings: Settings, *, pod: Path = NAMESPACE_FILE) -> str:
    """Where the Lease is: as set, else the namespace of the Pod. Raises `OperationError` where neither is there."""
    found = settings.leader_election_namespace or (pod.read_text().strip() if pod.is_file() else "")
    if found:
        return found
    raise OperationError(
        "--leader-elect outside a Pod needs a namespace for its Lease: name one with --leader-election-namespace.",
        reason="InvalidSettings",
        retryable=False,
    )


async def connected(settings: Settings) -> KubernetesCluster:
    """The client of the settings' cluster: the kubeconfig that is named or usual, else the Pod's own account."""
    inside = "KUBERNETES_SERVICE_HOST" in os.environ and not settings.kubeconfig and "KUBECONFIG" not in os.environ
    if inside:
        return in_cluster(jitter=_jitter)
    return await from_kubeconfig(settings.kubeconfig or None, context=settings.context or None, jitter=_jitter)


def installation_key(path: Path) -> bytes:
    """The key for tokens of secret values; made on first use, readable by its owner alone.

    Called by the one who holds the ledger's lock. A key that a crash left half-written is made again: nothing can have
    been recorded with it.
    """
    if path.is_file() and len(key := path.read_bytes()) == KEY_BYTES:
        return key
    key = os.urandom(KEY_BYTES)  # noqa: TID251 (born here, and never recorded)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    return key


async def _elected(settings: Settings, cluster: Cluster, *, ending: Ending, stack: AsyncExitStack) -> Election | None:
    """Wait until the Lease is ours, and keep it until the stack ends; None where no election is wanted."""
    if not settings.leader_elect:
        return None
    election = Election(
        cluster,
        namespace=election_namespace(settings),
        # Another one after every start: a process must not take for its own what its predecessor held.
        identity=f"{socket.gethostname()}_{os.urandom(8).hex()}",  # noqa: TID251 (an identity is born here)
        terms=terms_of(settings),
        ambient=Ambient(now_ms=SystemClock().now_ms, elapsed_s=elapsed_s, chance=_jitter),
    )
    stack.push_async_callback(election.resign)
    await ending.before_end(election.acquire())
    election.hold(partial(ending.ask, DISPOSSESSED))
    return election


async def _opened(path: str, clock: SystemClock) -> SqliteLog:
    """The ledger, open for writing; waits for another process that has it open. Raises what `SqliteLog` raises."""
    tries = 0
    while True:
        try:
            return SqliteLog(path, replica=socket.gethostname(), at=to_text(clock.now_ms()))
        except Locked as held:
            if tries % LOCKED_TRIES == 0:
                by = f" ({held.holder})" if held.holder else ""
                log.info("waits for the ledger %s: another process%s has it open for writing", path, by)
            tries += 1
        await asyncio.sleep(LOCKED_PAUSE_S)


async def _tools(
    settings: Settings, cluster: KubernetesCluster, *, journal: MeasuredJournal, stack: AsyncExitStack
) -> Tools:
    """What the operations share. Closed with the stack."""
    clock, tool = SystemClock(), await find_tool()
    fetcher = Fetcher(Guard.of(settings.allowed_artifact_hosts, flag=ARTIFACT_FLAG))
    stack.push_async_callback(fetcher.close)
    caller = Caller(Guard.of(settings.allowed_action_hosts, flag=ACTION_FLAG, narrow=True))
    stack.push_async_callback(caller.close)
    return Tools(
        clusters=Clusters(
            cluster,
            act_as=partial(_act_as, cluster, clock),
            jitter=_jitter,
            project=project,
            reach=Remotes(Guard.of(settings.allowed_cluster_hosts, flag=CLUSTER_FLAG), jitter=_jitter).reach,
        ),
        fetcher=fetcher,
        caller=caller,
        builder=Builder(Kustomize(tool)),
        tool=tool.identity,
        journal=journal,
        clock=clock,
        key=installation_key(Path(settings.ledger + ".key")),
    )


@asynccontextmanager
async def _served(settings: Settings, standing: Standing, metrics: Metrics) -> AsyncIterator[None]:
    """Probes and metrics, from the first moment on."""
    health = Health(healthy=standing.healthy, ready=standing.ready, metrics=metrics.render, metrics_type=CONTENT_TYPE)
    addresses = {"probes": settings.health_probe_bind_address, "metrics": settings.metrics_bind_address}
    async with serving(health, **addresses):
        yield


def _dispossessed(ending: Ending, refusal: AppendRefused) -> None:
    ending.ask(DISPOSSESSED, f"the ledger refused an append: {refusal}")


def _always() -> bool:
    return True


def _sight(installation: Installation, tools: Tools) -> Sight:
    """What a scrape of the metrics looks at."""
    controller = installation.controller
    return Sight(
        members=controller.members.values,
        busy=lambda: sum(1 for _ in controller.busy()),
        watches=tools.clusters.watches,
        builds=lambda: tools.builder.builds,
    )


def _act_as(cluster: KubernetesCluster, clock: SystemClock, namespace: str, name: str) -> KubernetesCluster:
    tokens = ServiceAccountToken(cluster, namespace, name, now=lambda: clock.now_ms() / 1000)
    return cluster.as_service_account(tokens, name=f"system:serviceaccount:{namespace}:{name}")


def _jitter() -> float:
    return random.random()  # noqa: S311 (spreads retries of watches; nothing secret, nothing recorded)
