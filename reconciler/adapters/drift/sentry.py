"""Watches what ready stages own, has suspicious objects checked, and tells the loop what differs.

Not the correction. What was checked and found to be as it should is remembered until it changes again, in memory only:
nothing is recorded for it. Invariant: a status that changes suspects nobody.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

import msgspec

from ledger.events import DriftObserved, Item
from reconciler.adapters.clusters import Hand
from reconciler.adapters.drift.checking import Finding, Suspect, check
from reconciler.adapters.drift.kept import Kept, expected, kept_of_live
from reconciler.adapters.drift.places import Owner, Place, Places
from reconciler.adapters.drift.turns import Turns
from reconciler.adapters.hands.build import Job
from reconciler.adapters.hands.tools import Tools
from reconciler.adapters.operations.existing import read_existing
from reconciler.adapters.watches import Key
from reconciler.api.types import StageSetSpec
from reconciler.compute.drift import Rules, rules_of
from reconciler.compute.inventory import entry_id, ref_of_entry
from reconciler.decide import readable
from reconciler.errors import ClusterError, OperationError
from reconciler.folds.drift import RESTORED
from reconciler.ports.cluster import Ref
from reconciler.ports.members import Member
from reconciler.state import Owned, StageState, State, run_of
from reconciler.transitions import Phase

log = logging.getLogger(__name__)

#: An object that keeps changing without a difference is checked so often at once, then after pauses that double.
FREE_CHECKS, PAUSE_S, PAUSE_MAX_S = 3, 5.0, 300.0
#: Pause after a check that the API server did not answer, or refused, in seconds.
RETRY_S = 30.0
#: Of an object that could not be checked: it is as no object is.
_NOTHING_SEEN = Kept("", "", 0, 0)
_REQUESTS_MAX = 4


class Sight(NamedTuple):
    """What the sentry looks with."""

    tools: Tools
    #: the StageSet of a namespace and name, if it is there
    member: Callable[[Owner], Member | None]
    #: whether the controller's own identity may look at all namespaces
    wide: bool = True


class _Clean(NamedTuple):
    """An object that was checked and left alone."""

    seen: Kept | None
    #: checks of it so far
    times: int
    #: it is not checked again before this, in the loop's seconds
    until_s: float


class _Memory(NamedTuple):
    """What was checked since a StageSet's last run, by id. Only where there was something to check."""

    run: str
    clean: dict[str, _Clean]


class _Turn(NamedTuple):
    """A look at one StageSet."""

    member: Member
    state: State
    #: objects that are to be checked although no generation changed
    touched: set[str]
    #: objects that cannot be watched are asked for
    steady: bool

    @property
    def owner(self) -> Owner:
        return _owner(self.member)


class _Watched(NamedTuple):
    """A stage that is looked at."""

    stage: StageState
    rules: Rules
    job: Job
    hand: Hand


class Sentry:
    """One for all StageSets. Make it inside the event loop."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._turns = Turns(self._take_turn)
        own = sight.tools.clusters.own.watches
        self.places = Places(wide=own if sight.wide else None, heard=self._heard, news=self._news)
        self._memories: dict[Owner, _Memory] = {}

    def changed(self, member: Member) -> None:
        """Something was recorded or seen of a StageSet: what it owns may be another set of objects."""
        self._turns.soon(_owner(member))

    def forget(self, member: Member) -> None:
        """The StageSet is gone."""
        self._turns.forget(_owner(member))
        self._memories.pop(_owner(member), None)
        self.places.hold(_owner(member), ())

    async def look(self, member: Member) -> None:
        """Look at all objects, those that cannot be watched included. Raises what a check raises."""
        await self._look(_Turn(member, member.state, set(), steady=True))

    async def close(self) -> None:
        await self._turns.close()
        await asyncio.gather(*self.places.close(), return_exceptions=True)

    # ── what is heard ────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, place: Place, key: Key, before: Kept | None, now: Kept | None) -> None:
        for kept in {one.owner: one for one in (before, now) if one is not None}.values():
            relabelled = before is not None and now is not None and before.labels != now.labels
            ref = Ref(place.key.api_version, place.key.kind, key.namespace, key.name)
            self._turns.soon(kept.owner, [entry_id(ref)] if relabelled else ())

    def _news(self, owners: Iterable[Owner]) -> None:
        for owner in owners:
            self._turns.soon(owner)

    # ── a look ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _take_turn(self, owner: Owner, ids: set[str]) -> None:
        member = self._sight.member(owner)
        if member is None:
            return
        try:
            await self._look(_Turn(member, member.state, ids, steady=False))
        except ClusterError as error:
            log.warning("drift of %s/%s cannot be told: %s", *owner, error.message)
            self._turns.later(owner, ids, after_s=max(RETRY_S, error.retry_after_s))
        except OperationError as error:
            log.warning("drift of %s/%s cannot be told: %s", *owner, error.message)

    async def _look(self, turn: _Turn) -> None:
        if not _is_looked_at(turn.member, turn.state):
            return
        places: list[Place] = []
        found: list[tuple[_Watched, list[Suspect]]] = []
        try:
            for watched in await self._watched(turn.member, turn.state):
                seen = await self._seen(watched, places, steady=turn.steady)
                suspects = list(self._suspects(turn, watched, seen))
                if suspects:
                    found.append((watched, suspects))
        finally:
            # It may have gone meanwhile.
            self.places.hold(turn.owner, places if self._sight.member(turn.owner) is turn.member else ())
        for watched, suspects in found:
            await self._check(turn, watched, suspects)

    async def _watched(self, member: Member, state: State) -> list[_Watched]:
        try:
            spec = msgspec.json.decode(member.observed.spec, type=StageSetSpec)
        except msgspec.DecodeError:
            # It was right when it was rolled out, by another version of this program; what is wrong is told elsewhere.
            return []
        detections = {stage.name: stage.drift_detection for stage in spec.stages}
        found = []
        for plan in run_of(state).plans:
            stage, rules = state.stages[plan.name], rules_of(detections.get(plan.name))
            if rules.mode == "Ignore":
                continue
            job = Job(target=member.target, spec=spec, stage=plan.name, artifact=plan.pin.digest)
            hand = await self._sight.tools.clusters.hand(
                member.target.namespace, stage.service_account, stage.kubeconfig
            )
            found.append(_Watched(stage, rules, job, hand))
        return found

    async def _seen(
        self, watched: _Watched, places: list[Place], *, steady: bool
    ) -> list[tuple[Ref, Owned, Kept | None]]:
        """Objects of a stage as they are known to be; without those of which nothing is known."""
        known, unwatched = [], {}
        for ref, owned in _owned(watched):
            place = self.places.of(watched.hand.watches, ref)
            if place is None:
                unwatched[ref] = owned
                continue
            places.append(place)
            if place.synced:
                known.append((ref, owned, place.get(ref)))
        if unwatched and steady:
            found = await read_existing(watched.hand.cluster, list(unwatched), limit=_REQUESTS_MAX)
            live = {ref: kept_of_live(one) for ref, one in found.items() if one is not None}
            known += [(ref, owned, live.get(ref)) for ref, owned in unwatched.items()]
        return known

    def _suspects(
        self, turn: _Turn, watched: _Watched, seen: Iterable[tuple[Ref, Owned, Kept | None]]
    ) -> Iterator[Suspect]:
        now, known = asyncio.get_running_loop().time(), self._clean(turn)
        for ref, owned, kept in seen:
            if kept is not None and kept.version == expected(owned) and owned.id not in turn.touched:
                continue
            clean = known.get(owned.id)
            if clean is not None and clean.seen == kept:
                continue
            if clean is not None and clean.until_s > now:
                self._turns.later(turn.owner, {owned.id}, after_s=clean.until_s - now)
                continue
            if watched.rules.pointers(ref) is not None:
                yield Suspect(ref, owned, kept)

    def _clean(self, turn: _Turn) -> dict[str, _Clean]:
        memory = self._memories.get(turn.owner)
        if memory is not None and memory.run != run_of(turn.state).id:
            del self._memories[turn.owner]
            memory = None
        return {} if memory is None else memory.clean

    # ── a check ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _check(self, turn: _Turn, watched: _Watched, suspects: list[Suspect]) -> None:
        tools, member, mode = self._sight.tools, turn.member, watched.rules.mode
        checked = await check(tools, watched.job, suspects, cluster=watched.hand.cluster, rules=watched.rules)
        for key, why in checked.untold.items():
            where = (*turn.owner, watched.stage.name)
            log.info("drift of %s/%s, stage %s: of %s it cannot be told: %s", *where, readable(key), why)
        self._deny(turn, watched, checked.denied)
        seen = {suspect.owned.id: suspect.seen for suspect in suspects}
        left_alone = _left_alone(turn.state, mode, checked.findings)
        self._remember(turn, {key: seen[key] for key in (*checked.clean, *checked.untold, *left_alone)})
        events = []
        if restored := _restored(turn.state, watched, checked.clean):
            events.append(DriftObserved(objects=restored, mode=mode))
        for manager, group in groupby(sorted(checked.findings, key=_by_manager), key=_by_manager):
            events.append(DriftObserved(objects=[one.item for one in group], manager=manager, mode=mode))
        if events:
            member.drifted(watched.stage.name, events)

    def _deny(self, turn: _Turn, watched: _Watched, denied: dict[str, str]) -> None:
        """What may not be asked is asked again, ever more rarely: rights may have been given back."""
        now, known = asyncio.get_running_loop().time(), self._clean(turn)
        for key, why in denied.items():
            where = (*turn.owner, watched.stage.name)
            log.warning("drift of %s/%s, stage %s: %s may not be checked: %s", *where, readable(key), why)
            times = known[key].times if key in known else 0
            pause_s = _doubled(RETRY_S, times)
            known[key] = _Clean(_NOTHING_SEEN, times + 1, now + pause_s)
            self._turns.later(turn.owner, {key}, after_s=pause_s)
        if denied:
            self._memories[turn.owner] = _Memory(run_of(turn.state).id, known)

    def _remember(self, turn: _Turn, seen: dict[str, Kept | None]) -> None:
        """What is corrected is not remembered: that it worked is found out by looking again."""
        if not seen:
            return
        now, known = asyncio.get_running_loop().time(), self._clean(turn)
        for key, kept in seen.items():
            times = known[key].times + 1 if key in known else 1
            pause_s = 0.0 if times < FREE_CHECKS else _doubled(PAUSE_S, times - FREE_CHECKS)
            known[key] = _Clean(kept, times, now + pause_s)
        self._memories[turn.owner] = _Memory(run_of(turn.state).id, known)


def _doubled(pause_s: float, times: int) -> float:
    """A pause that was doubled so often; bounded."""
    return min(pause_s * 2.0 ** min(times, 10), PAUSE_MAX_S)


def _owner(member: Member) -> Owner:
    return member.target.namespace, member.target.name


def _is_looked_at(member: Member, state: State) -> bool:
    """Whether a StageSet is at rest, as it is wanted."""
    observed, run = member.observed, state.run
    if state.phase != Phase.READY or state.suspended or state.asked or run is None:
        return False
    return member.cleared and not observed.deleting and observed.generation == run.generation


def _owned(watched: _Watched) -> Iterable[tuple[Ref, Owned]]:
    for owned in watched.stage.owned.values():
        ref = ref_of_entry(owned.id, version=owned.v)
        if ref is not None and owned.uid and not owned.dropped and not owned.action:
            yield ref, owned


def _by_manager(finding: Finding) -> str:
    return finding.manager


def _left_alone(state: State, mode: str, findings: Iterable[Finding]) -> list[str]:
    """Those that are not corrected: what is told of them is told once."""
    ids = [finding.item.id for finding in findings]
    if mode != "Correct":
        return ids
    return [key for key in ids if (drift := state.drifts.get(key)) is not None and drift.flapping]


def _restored(state: State, watched: _Watched, clean: Iterable[str]) -> list[Item]:
    """Those that were told of, and are again as they should be."""
    owned = watched.stage.owned
    told = [key for key in clean if (drift := state.drifts.get(key)) is not None and drift.mode != "Correct"]
    return [Item(id=key, v=owned[key].v, action=RESTORED, message="is again as it was applied") for key in told]
