"""One StageSet of the controller: joins what is seen of it, its driver, and its projections.

Not the decisions (the core) and not the requests (hands, projector). Everything but the state is read again after a
restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from ledger.chain import Head
from ledger.envelope import Draft
from ledger.events import Pin, StageSetAdopted
from ledger.log import Appended
from reconciler.api import defaults, names
from reconciler.api.types import StageSet
from reconciler.compute.observed import read_spec, sources_of
from reconciler.loop.driver import Driver, Parts
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

    def __init__(self, observed: Observed, *, state: State, head: Head, shared: Shared) -> None:
        self.observed = observed
        #: head of the stream
        self.head = head
        #: owned objects were seen to differ from what was applied
        self.drifted = False
        self._shared = shared
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

    def inspected(self, *, drifted: bool) -> None:
        """The live objects were looked at."""
        self.drifted = drifted
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
        observed = self.observed
        if not self._prove():
            return Draft(event=self._adopted) if self._adopted is not None else None
        if names.FINALIZER not in observed.finalizers:
            # Without it nothing is started: what is created could not be taken down. The outlet asks for it.
            return None
        beside = self._shared.beside(self, state)
        if beside is False:
            return None
        if beside is not None:
            return beside
        now_ms = self._shared.parts.clock.now_ms()
        if state.phase == Phase.READY and not self.drifted and self._look_ms and now_ms >= self._look_ms:
            self._shared.inspect(self)
        event = next_fact(state, self._seen(state), now_ms=now_ms)
        return None if event is None else Draft(event=event)

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
            self.drifted = False
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
            pins, obstacle = self._pins(stageset)
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
            drifted=self.drifted,
        )

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
