"""The controller process: settings in, a running installation out. The only place that makes the shipped parts.

Order matters: the ledger is open and folded, and its epoch is ours, before the first watch begins.
"""

from __future__ import annotations

import asyncio
import os
import random  # noqa: TID251 (chance of the adapters: it spreads their retries and is never recorded)
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from ledger.envelope import Actor
from ledger.errors import AppendRefused, LedgerError
from ledger.group_commit import GroupCommit
from ledger.instant import to_text
from ledger.sqlite_log import SqliteLog
from reconciler import VERSION
from reconciler.adapters.artifacts import Fetcher
from reconciler.adapters.clock import SystemClock
from reconciler.adapters.clusters import Clusters
from reconciler.adapters.hands import Tools
from reconciler.adapters.kubernetes import KubernetesCluster, from_kubeconfig, in_cluster
from reconciler.adapters.kubernetes.identity import ServiceAccountToken
from reconciler.adapters.kustomize import Builder, Kustomize, find_tool
from reconciler.adapters.metrics import CONTENT_TYPE, MeasuredJournal, Metrics, Sight
from reconciler.adapters.probes import Health, serving
from reconciler.adapters.telling import Tellers
from reconciler.compute.urlguard import Guard
from reconciler.installation import Given, Installation, project
from reconciler.loop.memory import Memory
from reconciler.ports.members import Teller
from reconciler.settings import Settings

ARTIFACT_FLAG = "--allowed-artifact-hosts"
KEY_BYTES = 32


@asynccontextmanager
async def running(settings: Settings, *, teller: Teller, stop: asyncio.Event) -> AsyncIterator[Installation]:
    """A started installation on the settings' cluster and ledger. `stop` is set when it may not go on."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        log = SqliteLog(settings.ledger, replica=socket.gethostname(), at=to_text(clock.now_ms()))
        stack.callback(log.close)
        memory = Memory()
        await asyncio.to_thread(memory.load, log, checkpoints=log.checkpoints)
        epoch = log.open_epoch(
            actor=Actor(kind="controller", id=socket.gethostname(), how="process"),
            at=to_text(clock.now_ms()),
            reason="start",
            software=f"stageset-controller {VERSION}",
        )
        commit = GroupCommit(log)
        stack.push_async_callback(commit.close)
        metrics = Metrics()
        journal = MeasuredJournal(commit, registry=metrics.registry)
        cluster = await connected(settings)
        stack.push_async_callback(cluster.close)
        tool = await find_tool()
        fetcher = Fetcher(Guard.of(settings.allowed_artifact_hosts, flag=ARTIFACT_FLAG))
        stack.push_async_callback(fetcher.close)
        clusters = Clusters(cluster, act_as=partial(_act_as, cluster, clock), jitter=_jitter, project=project)
        builder = Builder(Kustomize(tool))
        tools = Tools(
            clusters=clusters,
            fetcher=fetcher,
            builder=builder,
            tool=tool.identity,
            journal=journal,
            clock=clock,
            key=installation_key(Path(settings.ledger + ".key")),
        )

        def dispossessed(_: AppendRefused) -> None:
            stop.set()

        installation = Installation(
            Given(
                tools=tools,
                settings=settings,
                memory=memory,
                teller=Tellers(teller, metrics),
                epoch=epoch,
                dispossessed=dispossessed,
            )
        )
        stack.push_async_callback(installation.close)
        metrics.look_at(_sight(installation, clusters, builder))
        health = Health(
            healthy=partial(_healthy, journal, commit),
            ready=lambda: "" if installation.ready else "not all StageSets have been seen yet",
            metrics=metrics.render,
            metrics_type=CONTENT_TYPE,
        )
        addresses = {"probes": settings.health_probe_bind_address, "metrics": settings.metrics_bind_address}
        await stack.enter_async_context(serving(health, **addresses))
        installation.start()
        yield installation


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


def _sight(installation: Installation, clusters: Clusters, builder: Builder) -> Sight:
    """What a scrape of the metrics looks at."""
    controller = installation.controller
    return Sight(
        members=controller.members.values,
        busy=lambda: sum(1 for _ in controller.busy()),
        watches=clusters.watches,
        builds=lambda: builder.builds,
    )


async def _healthy(journal: MeasuredJournal, commit: GroupCommit) -> str:
    """Why the ledger cannot be written; empty while it can. That this answers shows that the event loop turns."""
    if not journal.problem:
        try:
            await commit.call(commit.log.head)
        except LedgerError as error:
            return str(error)
    return journal.problem


def _act_as(cluster: KubernetesCluster, clock: SystemClock, namespace: str, name: str) -> KubernetesCluster:
    tokens = ServiceAccountToken(cluster, namespace, name, now=lambda: clock.now_ms() / 1000)
    return cluster.as_service_account(tokens, name=f"system:serviceaccount:{namespace}:{name}")


def _jitter() -> float:
    return random.random()  # noqa: S311 (spreads retries of watches; nothing secret, nothing recorded)
