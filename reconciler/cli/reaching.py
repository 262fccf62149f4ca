"""The cluster that a command talks to, and the few things that commands do there.

Not a controller: annotations and `StageLedger.spec` are all that is ever written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
import msgspec

from ledger.cli.lazy import Failure
from ledger.instant import to_text
from reconciler.api import names
from reconciler.cli.params import Refused
from reconciler.compute.fields import maps, text
from reconciler.compute.requests import ANNOTATIONS, RESOLVE, mark
from reconciler.errors import ClusterError, NotFound, OperationError
from reconciler.ports.cluster import Cluster, Object, Ref

#: Pause between two looks while waiting, in seconds.
POLL_S = 0.5

T = TypeVar("T")


class Options(NamedTuple):
    """What `params.cluster_options` gave."""

    namespace: str
    kubeconfig: str
    context: str
    wait: bool
    timeout: float
    form: str


class Reached(NamedTuple):
    """A StageSet to be, on its cluster."""

    cluster: Cluster
    namespace: str
    name: str
    options: Options

    @property
    def ref(self) -> Ref:
        return Ref(names.API_VERSION, "StageSet", self.namespace, self.name)

    @property
    def words(self) -> str:
        return f"StageSet {self.namespace}/{self.name}"

    async def stageset(self) -> Object:
        """The StageSet as it is now. Raises `Refused` where it is not there."""
        try:
            return await self.cluster.get(self.ref)
        except NotFound:
            raise Refused(
                f"{self.words} does not exist; kubectl get stagesets -A shows those that do (-n names the namespace)"
            ) from None

    async def ask(self, kind: str, value: str) -> None:
        """Set the annotation of a request, and wait until it was taken up where that is wanted."""
        await self.annotate(ANNOTATIONS[kind], value)
        wanted = handled_as(kind, value)
        await self.taken_up(lambda found: text(found, "status", "handledRequests", kind) == wanted)

    async def annotate(self, annotation: str, value: str) -> None:
        patch = {"metadata": {"annotations": {annotation: value}}}
        await self.cluster.patch(self.ref, patch, type="merge", manager=names.CLI_FIELD_MANAGER)

    async def taken_up(self, is_done: Callable[[Object], bool]) -> None:
        """Wait until the StageSet shows it, where that is wanted. Raises `Refused` when it does not in time."""
        if self.options.wait and not await until(self.stageset, is_done, timeout_s=self.options.timeout):
            raise Refused(
                f"{self.words}: it is asked for and stays so, but no controller has taken it up within "
                f"{self.options.timeout:g} s; is one running, and does it watch namespace {self.namespace}?"
            )

    def say(self, sentence: str, **facts: Any) -> None:
        """The result, for people or for machines."""
        if self.options.form == "json":
            plain = {"namespace": self.namespace, "stageset": self.name, **facts, "handled": self.options.wait}
            click.echo(msgspec.json.encode(plain))
        else:
            click.echo(f"{self.words}: {sentence}{'' if self.options.wait else ' (asked for, not waited for)'}")


def handled_as(kind: str, value: str) -> str:
    """What `.status.handledRequests` shows of a request once it was taken up."""
    return mark(value) if kind == RESOLVE else value


def perform(stageset: str, options: dict[str, Any], work: Callable[[Reached], Awaitable[None]]) -> None:
    """Do something on the cluster. Raises `Failure` where it cannot be reached or refuses."""
    try:
        asyncio.run(_perform(stageset, Options(**options), work))
    except (OperationError, ClusterError) as error:
        raise Failure(error.message) from None


async def _perform(stageset: str, options: Options, work: Callable[[Reached], Awaitable[None]]) -> None:
    from reconciler.adapters.kubernetes import from_kubeconfig

    path = options.kubeconfig or None
    # Spreads the retries of watches, and there are none here.
    cluster = await from_kubeconfig(path, context=options.context or None, jitter=lambda: 0.5)
    try:
        namespace = options.namespace or default_namespace(_files(options.kubeconfig), options.context)
        await work(Reached(cluster, namespace, stageset, options))
    finally:
        await cluster.close()


def _files(kubeconfig: str) -> list[Path]:
    listed = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return [Path(one) for one in listed.split(os.pathsep) if one]


def default_namespace(files: list[Path], context: str) -> str:
    """The namespace of a context, by default of the current one: the first file that says so counts, as for kubectl."""
    import yaml

    documents = [yaml.safe_load(path.read_text()) for path in files if path.is_file()]
    wanted = context or next((found for one in documents if (found := text(one, "current-context"))), "")
    contexts = (found for one in documents for found in maps(one, "contexts") if text(found, "name") == wanted)
    return text(next(contexts, {}), "context", "namespace") or "default"


async def until(
    look: Callable[[], Awaitable[T]], is_done: Callable[[T], bool], *, timeout_s: float, poll_s: float = POLL_S
) -> T | None:
    """What was seen once it is as wanted; None when it is not in time."""
    try:
        async with asyncio.timeout(timeout_s):
            while not is_done(found := await look()):  # noqa: ASYNC110 - the API is polled
                await asyncio.sleep(poll_s)
            return found
    except TimeoutError:
        return None


def fresh_token() -> str:
    """A token that was not used before: the time."""
    from reconciler.adapters.clock import SystemClock

    return to_text(SystemClock().now_ms())


def stage_of(stageset: Object, name: str, *, words: str) -> Object:
    """A stage of the spec. Raises `Refused` with those that there are."""
    stages = maps(stageset, "spec", "stages")
    for stage in stages:
        if text(stage, "name") == name:
            return stage
    listed = ", ".join(text(stage, "name") for stage in stages)
    raise Refused(f"{words} has no stage {name!r}; its stages are {listed}")


def listed(found: list[str]) -> str:
    """Names for a sentence."""
    return ", ".join(found) if found else "none"
