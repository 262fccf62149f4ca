"""One StageSet of the controller: joins what is seen of it, its driver, and its projections.

Not the decisions (the core) and not the requests (hands, projector). Everything but the state is read again after a
restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from ledger.chain import Head
from ledger.envelope import Actor, Draft
from ledger.events import DriftObserved, Pin, StageSetAdopted
from ledger.log import Appended
from reconciler.api import defaults, names
from reconciler.api.types import StageSet
from reconciler.compute import drift
from reconciler.compute.dependencies import is_ready
from reconciler.compute.observed import read_spec, sources_of
from reconciler.loop.driver import Driver, Parts
from reconciler.loop.ordering import Ordering
from reconciler.plan import plan
from reconciler.policy import policy_of
from reconciler.ports.hands import Target
from reconciler.ports.members import Observed, Outlet, Teller
from reconciler.ports.sources import Sources, Unknown
from reconciler.settings import Settings
from reconciler.state import State
from reconciler.transitions import Phase
from reconciler.triggers import Obstacle, Seen, next_fact

#: A steady look is moved by up to this share of the interval, so that thousands of them spread out.
_JITTER = 0.05


class Shared(NamedTuple):
    """What all members share."""

    parts: Parts
    sources: Sources
    settings: Settings
    outlet: Outlet
    teller: Teller
    #: asks for a look at the live objects, answered by `Member.inspected`
    inspect: Callable[[Member], None]
    #: asks what the world shows that the ledger has not recorded, answered by `Member.recovered`
    recover: Callable[[Member], None]
    #: facts that annotations and other objects than the StageSet call for; false: not known yet, so wait
    beside: Callable[[Member, State], Draft | Literal[False] | None]


class Member:
    """A StageSet and its driver."""

    def __init__(self, observed: Observed, *, state: State, head: Head, shared: Shared, ordering: Ordering) -> None:
        self.observed = observed
        #: head of the stream
        self.head = head
        #: what ready stages were made of was seen to be another by now
        self.outdated = False
        #: what was found of objects that other hands changed, by stage, and is not recorded yet
        self._drifts: tuple[tuple[str, DriftObserved], ...] = ()
        self._shared, self._ordering = shared, ordering
        #: whether the last look found it ready with its newest spec and revisions; None: it could not tell
        self._settled: bool | None = None
        #: when the live objects are looked at next, in milliseconds since 1970
        self._look_ms = 0
        #: whether the ledger is known not to be older than what the world shows of it
        self._proved = False
        self._recovering = False
        self._adopted: StageSetAdopted | None = None
        #: the spec as it was read; not kept at rest
        self._parsed: tuple[tuple[int, bytes], StageSet | Obstacle] | None = None
        #: namespaces of the sources of the spec that was read last
        self._sources_in: tuple[str, ...] | None = None
        self.target = Target(observed.namespace, observed.name, observed.uid)
        self.driver = Driver(state, target=self.target, parts=shared.parts, watcher=self)

    @property
    def state(self) -> State:
        return self.driver.state

    def seen(self, observed: Observed) -> None:
        """The watch shows another version of the object."""
        self.observed = observed
        if self._prove():
            self._shared.outlet.changed(self)
        self.driver.kick()

    @property
    def settled(self) -> bool | None:
        """Whether it is ready with its newest spec and revisions; None: it has to look first."""
        return None if self.driver.looking else self._settled

    def kick(self) -> None:
        """Look again, soon."""
        self.driver.kick()

    def drifted(self, stage: str, found: Sequence[DriftObserved]) -> None:
        """Objects of a ready stage differ from what was applied. What was found of it before counts no more."""
        others = (one for one in self._drifts if one[0] != stage)
        self._drifts = (*others, *((stage, event) for event in found))
        self.driver.kick()

    def inspected(self, *, outdated: bool) -> None:
        """What ready stages were made of was looked at."""
        self.outdated = outdated
        self._look_ms = 0
        self.driver.kick()

    def recovered(self, adopted: StageSetAdopted | None) -> None:
        """The world was looked at: it shows nothing that the ledger lacks, or this."""
        self._recovering, self._adopted = False, adopted
        self._proved = adopted is None
        if self._proved:
            self._shared.outlet.changed(self)
        self.driver.kick()

    # ── Watcher ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def cleared(self) -> bool:
        """Whether effects may start: not while the world may show more than the ledger has."""
        return self._proved

    def fact(self, state: State) -> Draft | None:
        self._settled = None
        found = self._called_for(state)
        self._ordering.looked(self.target[:2], settled=self._settled)
        return found

    def _called_for(self, state: State) -> Draft | None:
        observed = self.observed
        if not self._prove():
            return Draft(event=self._adopted) if self._adopted is not None else None
        if names.FINALIZER not in observed.finalizers:
            # Without it nothing is started: what is created could not be taken down. The outlet asks for it.
            self._settled = False
            return None
        beside = self._shared.beside(self, state)
        if beside is False:
            return None
        if beside is not None:
            return beside
        if (found := self._drift(state)) is not None:
            return found
        now_ms = self._shared.parts.clock.now_ms()
        if state.phase == Phase.READY and not self.outdated and self._look_ms and now_ms >= self._look_ms:
            self._shared.inspect(self)
        seen = self._seen(state)
        event = next_fact(state, seen, now_ms=now_ms)
        if event is not None or not is_ready(state, generation=observed.generation):
            self._settled = False
        elif seen.pins is not None or seen.obstacle is not None:
            # Else there may be newer revisions.
            self._settled = True
        return None if event is None else Draft(event=event)

    def _drift(self, state: State) -> Draft | None:
        """The next finding that is to be recorded; those that have been overtaken are let go."""
        while self._drifts:
            (stage, found), *rest = self._drifts
            self._drifts = tuple(rest)
            event = None if self.observed.deleting else drift.news(state, stage, found)
            if event is not None:
                return Draft(event=event, actor=Actor(kind="world", id="drift"), stage=stage)
        return None

    def _prove(self) -> bool:
        """Whether the head that the world shows is ours, or is known about; where that is not plain, it is found out.

        Until then nothing is done and nothing is projected: what the world shows must not be written over.
        """
        if self._proved:
            return True
        version, head = self.observed.ledger
        adopted = int(self.state.adopted.partition(":")[0] or 0)
        self._proved = not version or version <= adopted or (version, head) == (self.head.number, self.head.hash)
        if not self._proved and self._adopted is None and not self._recovering:
            self._recovering = True
            self._shared.recover(self)
        return self._proved

    def recorded(self, state: State, drafts: tuple[Draft, ...], appended: Appended) -> None:
        self.head = appended.stream
        self._look_ms = 0
        if state.phase != Phase.READY:
            self.outdated = False
        self._shared.teller.recorded(self, drafts)
        if self._prove():
            self._shared.outlet.changed(self)

    def wake_ms(self, state: State) -> int:
        wake_ms = plan(state).wake_ms or self._steady_look_ms(state)
        if state.resting:
            # Ten thousand of them are ten times the bytes that they were read from.
            self._parsed = None
        return wake_ms

    def _steady_look_ms(self, state: State) -> int:
        if state.phase != Phase.READY or state.suspended or self.observed.deleting:
            return 0
        if not self._look_ms:
            self._look_ms = self._shared.parts.clock.now_ms() + self._steady_ms(state)
        return self._look_ms

    def _steady_ms(self, state: State) -> int:
        stageset = self._stageset()
        default_ms = self._shared.settings.default_interval_ms
        steady_ms = default_ms
        if isinstance(stageset, StageSet):
            steady_ms = defaults.steady_interval_ms(stageset.spec, default_ms=default_ms)
        spread = int.from_bytes(hashlib.sha256(f"{state.stream}{state.version}".encode()).digest()[:4], "big") / 2**32
        return int(steady_ms * (1 - _JITTER + 2 * _JITTER * spread))

    def _seen(self, state: State) -> Seen:
        observed, stageset = self.observed, self._stageset()
        pins: tuple[Pin, ...] | None = None
        obstacle: Obstacle | None = None
        policy = {}
        if isinstance(stageset, Obstacle):
            obstacle = stageset
        elif not observed.deleting:
            pins, obstacle = self._ordered(*self._pins(stageset))
        if isinstance(stageset, StageSet):
            settings = self._shared.settings
            policy = policy_of(
                stageset.spec,
                default_interval_ms=settings.default_interval_ms,
                teardown_ms=settings.max_teardown_wait_ms,
            )
        elif state.run is not None:
            policy = state.run.policy
        spec = msgspec.json.decode(observed.spec)
        return Seen(
            generation=observed.generation,
            spec=spec,
            requested_at=observed.requested_at,
            # Read from the raw spec: what is suspended stays so, whatever else is wrong with it.
            suspend=spec.get("suspend") is True,
            deleting=observed.deleting,
            policy=policy,
            pins=pins,
            obstacle=obstacle,
            drifted=self.outdated,
        )

    def _ordered(
        self, pins: tuple[Pin, ...] | None, obstacle: Obstacle | None
    ) -> tuple[tuple[Pin, ...] | None, Obstacle | None]:
        """The same, or what stands before it: a dependency that is not ready, or not known yet."""
        found = self._ordering.obstacle(self.target[:2])
        if isinstance(found, Unknown):
            return None, None
        return pins, found or obstacle

    def _pins(self, stageset: StageSet) -> tuple[tuple[Pin, ...] | None, Obstacle | None]:
        """The pins of all sources, resolved together, or the first obstacle, or neither before the first look."""
        namespace = self.observed.namespace
        pins: list[Pin] = []
        for stage, action, source in sources_of(stageset, namespace=namespace):
            found = self._shared.sources.resolve(source, stage=stage, action=action, own_namespace=namespace)
            if isinstance(found, Unknown):
                return None, None
            if isinstance(found, Obstacle):
                return None, found
            pins.append(found)
        return tuple(pins), None

    def _stageset(self) -> StageSet | Obstacle:
        key = (self.observed.generation, self.observed.spec)
        if self._parsed is None or self._parsed[0] != key:
            found = read_spec(self.observed)
            self._parsed = (key, found)
            self._sources_in = () if isinstance(found, Obstacle) else _namespaces(found, self.target.namespace)
        return self._parsed[1]

    def refers_to(self, namespace: str) -> bool:
        """Whether a source of this StageSet is in that namespace."""
        if self._sources_in is None:
            self._stageset()
        return namespace in (self._sources_in or ())


def _namespaces(stageset: StageSet, own: str) -> tuple[str, ...]:
    return _same(tuple(sorted({use.source.namespace for use in sources_of(stageset, namespace=own)})))


@lru_cache(maxsize=256)
def _same(words: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all members with the same."""
    return words
