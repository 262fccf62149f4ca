"""A ledger that is older than the world: noticed before anything is done, and brought up to what the world shows.

Not the decision what is held: that is the core's, from the record that is made here. Invariant: nothing is taken from
the world of a ledger that has all that the world shows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from ledger.envelope import digest
from ledger.errors import LedgerError
from ledger.events import CompletionShown, Item, StageSetAdopted, StageShown
from ledger.log import Reader, Selection
from reconciler import errors
from reconciler.adapters.fair import working_for
from reconciler.api import names
from reconciler.compute import inventory
from reconciler.compute.behind import Sighting, behind, is_inside, other, sentence, sighting
from reconciler.compute.fields import dig, maps, strings, text, whole
from reconciler.compute.kubeevents import Told, event_object
from reconciler.compute.stageledger import KIND, StageLedgerShown, shown_of
from reconciler.ports.clock import Clock
from reconciler.ports.cluster import Cluster, Object, Ref, Scope
from reconciler.ports.hands import Target
from reconciler.ports.members import Member
from reconciler.state import State

log = logging.getLogger(__name__)

#: Reason of the Event, and name of the runbook.
LEDGER_BEHIND = "LedgerBehind"
#: Pause after the first failed reading, in seconds; it doubles up to the second.
PAUSE_S, PAUSE_MAX_S = 1.0, 60.0


class Recoverable(Member, Protocol):
    """A StageSet that waits to hear whether its ledger can be trusted."""

    def recovered(self, adopted: StageSetAdopted | None) -> None:
        """The world was looked at: it shows nothing that the ledger lacks, or this."""


class Means(NamedTuple):
    """What recovery is given."""

    cluster: Cluster
    reader: Reader
    clock: Clock
    #: the StageLedger of a namespace and name, as it was last seen
    stageledger: Callable[[str, str], StageLedgerShown | None]
    #: injected, so that a simulation owns the time
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep


class Recovery:
    """Finds out, on request, whether the world shows more than the ledger has. `Recoverable.recovered` tells."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._tasks: dict[Recoverable, asyncio.Task[None]] = {}

    def __call__(self, member: Recoverable) -> None:
        """Look soon. A look under way is not begun again."""
        if member not in self._tasks:
            self._tasks[member] = asyncio.ensure_future(self._look(member))

    def forget(self, member: Recoverable) -> None:
        """The StageSet is gone."""
        task = self._tasks.pop(member, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, member: Recoverable) -> None:
        working_for(member.target.namespace)
        means, target, state = self._means, member.target, member.state
        try:
            shown = sighting(
                target,
                stream=state.stream,
                status=member.observed.ledger,
                stageledger=means.stageledger(target.namespace, target.name),
            )
            why = behind(state, head=member.head, shown=shown) or await self._forked(member, shown)
            if not why or shown is None:
                member.recovered(None)
                return
            event = await recover(means.cluster, target=target, shown=shown, why=why, sleep=means.sleep)
            if event is not None:
                await announce(means.cluster, target=target, event=event, at_ms=means.clock.now_ms())
                member.recovered(event)
        finally:
            self._tasks.pop(member, None)

    async def _forked(self, member: Recoverable, shown: Sighting | None) -> str:
        """As `forked`; while the ledger cannot be read, nothing is known and nothing is done."""
        pause_s = PAUSE_S
        while True:
            try:
                return await forked(self._means.reader, state=member.state, shown=shown)
            except LedgerError as error:
                log.warning("StageSet %s/%s: %s", member.target.namespace, member.target.name, error)
                await self._means.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_MAX_S)


async def forked(reader: Reader, *, state: State, shown: Sighting | None) -> str:
    """Why this ledger is another one than the world shows, by the record at a place before its head; else empty.

    Reads the stream, off the event loop. Raises `Unreadable` leaves.
    """
    if shown is None or not is_inside(state, shown):
        return ""
    found = await asyncio.to_thread(_hash_at, reader, shown.position.stream, shown.position.version)
    return "" if found == shown.position.head else other(state, shown)


def _hash_at(reader: Reader, stream: str, version: int) -> str:
    """Hash of the record at a version of a stream; versions have no gaps."""
    for number, stored in enumerate(reader.read(Selection(stream=stream)), start=1):
        if number == version:
            return digest(stored.header)
    return ""


# ── taking over what the world shows ─────────────────────────────────────────────────────────────────────────────


async def recover(
    cluster: Cluster,
    *,
    target: Target,
    shown: Sighting,
    why: str,
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
) -> StageSetAdopted | None:
    """The record of all that the world shows of a StageSet; None where the StageSet is not there any more.

    Reads until everything could be read: what is not known would be done again. `why` is what `behind` or `forked`
    said; the record's sentence goes on from it.
    """
    pause_s = PAUSE_S
    while True:
        try:
            return await _read(cluster, target, shown=shown, why=why)
        except errors.NotFound:
            return None
        except errors.ClusterError as error:
            log.warning(
                "StageSet %s/%s: nothing is done before it is known what its cluster shows: %s",
                target.namespace,
                target.name,
                error.message,
            )
            await sleep(max(pause_s, error.retry_after_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)


async def announce(cluster: Cluster, *, target: Target, event: StageSetAdopted, at_ms: int) -> None:
    """Tell people, by the log and by a Kubernetes Event, what was recorded. An Event that is refused is let go."""
    log.warning(
        LEDGER_BEHIND, extra={"fields": {"stageset": f"{target.namespace}/{target.name}", "message": event.why}}
    )
    told = Told(
        type="Warning",
        reason=LEDGER_BEHIND,
        message=event.why,
        cause=f"{event.shown_version}:{event.shown_head}",
    )
    regarding = Ref(names.API_VERSION, "StageSet", target.namespace, target.name)
    with suppress(errors.ClusterError):
        await cluster.create(event_object(told, regarding=regarding, uid=target.uid, at_ms=at_ms))


async def _read(cluster: Cluster, target: Target, *, shown: Sighting, why: str) -> StageSetAdopted:
    stageset = await _named(cluster, "StageSet", target)
    if text(stageset, "metadata", "uid") != target.uid:
        raise errors.NotFound(f"StageSet {target.namespace}/{target.name} is gone, or another one by now")
    selector = names.inventory_selector(name=target.name)
    scope = Scope(names.API_VERSION, inventory.KIND, target.namespace, label_selector=selector)
    shards = [one for one in (await cluster.list(scope)).items if _is_of(one, target)]
    completions = await _completions(cluster, target)
    stages = _stages(stageset, shards)
    return StageSetAdopted(
        shown_version=shown.position.version,
        shown_head=shown.position.head,
        why=sentence(why, stages=stages, completions=completions),
        stages=stages,
        completions=completions,
    )


async def _completions(cluster: Cluster, target: Target) -> list[CompletionShown]:
    try:
        return list(shown_of(await _named(cluster, KIND, target)).completions)
    except errors.NoSuchKind:
        return []


async def _named(cluster: Cluster, kind: str, target: Target) -> Object:
    """An object of the StageSet's name, or an empty one: by a list, which the controller may ask for anyway."""
    scope = Scope(names.API_VERSION, kind, target.namespace, field_selector=f"metadata.name={target.name}")
    return next(iter((await cluster.list(scope)).items), {})


def _is_of(shard: Object, target: Target) -> bool:
    """Whether an inventory is this StageSet's and not that of an older one of its name."""
    owners = [text(one, "uid") for one in maps(shard, "metadata", "ownerReferences") if one.get("kind") == "StageSet"]
    return not owners or target.uid in owners


def _stages(stageset: Object, shards: list[Object]) -> list[StageShown]:
    """What is shown of each stage, in the order in which they stand."""
    by_stage: dict[str, list[Object]] = {}
    for shard in shards:
        by_stage.setdefault(strings(shard, "metadata", "labels").get(names.LABEL_STAGE, ""), []).append(shard)
    status = {text(one, "name"): one for one in maps(stageset, "status", "stages")}
    order = {name: place for place, name in enumerate(status)}
    found = [
        _stage(name, stageset, status=status.get(name, {}), shards=by_stage.get(name, []), place=order.get(name, 0))
        for name in {**order, **by_stage}
        if names.is_stage_name(name)
    ]
    return sorted(found, key=lambda one: (one.position, one.name))


def _stage(name: str, stageset: Object, *, status: Mapping[str, Any], shards: list[Object], place: int) -> StageShown:
    positions = [position for shard in shards if (position := whole(shard, "spec", "stagePosition")) is not None]
    executed = dig(status, "executedActions")
    return StageShown(
        name=name,
        position=positions[0] if positions else place,
        service_account=_account(stageset, name),
        revision=text(status, "appliedRevision"),
        objects=[
            Item(id=inventory.entry_id(ref), v=ref.api_version.rpartition("/")[2])
            for ref in inventory.parse(shards).refs
        ],
        executed=[one for one in executed if isinstance(one, str)] if isinstance(executed, list) else [],
        executed_revision=text(status, "ledgerRevision"),
    )


def _account(stageset: Object, name: str) -> str:
    """Who works for a stage: the spec is all that tells, also of a stage that is not in it any more."""
    stage = next((one for one in maps(stageset, "spec", "stages") if one.get("name") == name), {})
    return text(stage, "serviceAccountName") or text(stageset, "spec", "serviceAccountName")
