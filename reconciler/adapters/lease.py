"""Leader election by a Lease (coordination.k8s.io/v1), by the rules of client-go's `leaderelection`.

Not the fence: that is the epoch of the ledger, and the lock of its file. The Lease decides who may try. Invariant:
where all clocks run equally fast, `valid` is true for one candidate at most: a holder counts from before it asked for
the renewal, everybody else from after they saw it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reconciler.compute.fields import count, mapping, text
from reconciler.errors import AlreadyExists, ClusterError, Conflict, Forbidden, NotFound, ReconcilerError
from reconciler.ports.cluster import Cluster, Object, Ref

log = logging.getLogger(__name__)

#: Name of the Lease, in the Pod's namespace.
NAME = "stageset-controller.stages.metio.wtf"
#: A candidate waits up to this much longer than the retry period, so that they do not all ask at once (client-go).
_JITTER = 1.2
#: Too short to ask anything in, in seconds.
_SHORT_S = 0.001
#: What giving the Lease back may take, in seconds. Where it fails, the next one waits until the Lease runs out.
_RELEASE_S = 3.0


class BadTerms(ReconcilerError):
    """The durations of the election contradict each other."""


class Terms(NamedTuple):
    """The durations of an election, in seconds; the defaults are client-go's."""

    #: a Lease that was not renewed for this long may be taken
    duration_s: float = 15.0
    #: a holder that could not renew for this long gives up
    deadline_s: float = 10.0
    #: pause between two tries
    retry_s: float = 2.0

    def checked(self) -> Terms:
        """These terms. Raises `BadTerms`; the rules are client-go's, and a Lease counts in whole seconds."""
        if self.duration_s < 1:
            raise BadTerms("--leader-election-lease-duration must be 1s or more: a Lease counts in whole seconds")
        if self.duration_s <= self.deadline_s:
            raise BadTerms("--leader-election-lease-duration must be longer than --leader-election-renew-deadline")
        if self.deadline_s <= self.retry_s * _JITTER or self.retry_s <= 0:
            raise BadTerms(
                "--leader-election-renew-deadline must be longer than 1.2 times --leader-election-retry-period, "
                "and that longer than 0s"
            )
        return self


class Ambient(NamedTuple):
    """Time and chance."""

    #: milliseconds since 1970: for those who read the Lease, never for a decision
    now_ms: Callable[[], int]
    #: seconds that never go back and go on while the process is stopped
    elapsed_s: Callable[[], float]
    #: a number in [0, 1)
    chance: Callable[[], float]


class Election:
    """One candidate. `acquire` once, then `hold`; `resign` in any case."""

    def __init__(self, cluster: Cluster, *, namespace: str, identity: str, terms: Terms, ambient: Ambient) -> None:
        #: who we are; another one after every start
        self.identity = identity
        #: who had the Lease and let it run out before we took it; empty where it was free
        self.taken_from = ""
        self._cluster, self._terms, self._ambient = cluster, terms, ambient
        self._ref = Ref("coordination.k8s.io/v1", "Lease", namespace, NAME)
        #: the Lease as it was last seen
        self._seen: Object | None = None
        #: when somebody else's Lease runs out, in elapsed seconds
        self._taken_until_s = 0.0
        #: elapsed seconds just before the request that last renewed ours; None: not ours
        self._renewed_s: float | None = None
        #: a write of ours may have been carried out without our knowing
        self._unsure = False
        self._over = False
        self._stamp_us = 0
        self._problem = ""
        self._keeping: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """`Lease namespace/name`, for sentences."""
        return f"Lease {self._ref.namespace}/{self._ref.name}"

    @property
    def holder(self) -> str:
        """Who holds the Lease, as far as we have seen; empty: nobody."""
        return _holder(self._seen)

    def valid(self) -> bool:
        """Whether the Lease is ours now, beyond doubt. Cheap; false for ever once it was lost or given back."""
        return not self._over and self._age_s() < self._terms.duration_s

    async def acquire(self) -> None:
        """Wait as a standby until the Lease is ours. No failure ends this: it is tried again, and the log says why."""
        waits_for = ""
        while not await self._round(self._terms.deadline_s / 2):
            # Written, perhaps, and answered too late to count.
            self._renewed_s = None
            if self.holder not in {"", self.identity, waits_for}:
                waits_for = self.holder
                log.info("standby: waits for the %s, held by %s", self.name, waits_for)
            await asyncio.sleep(self._terms.retry_s * (1 + _JITTER * self._ambient.chance()))
        before = f", taken from {self.taken_from}, which let it run out" if self.taken_from else ""
        log.info("leader: the %s is ours as %s%s", self.name, self.identity, before)

    def hold(self, lost: Callable[[str], None]) -> None:
        """Renew in the background; `lost` is called once, with a sentence, when the Lease is no longer ours."""
        self._keeping = asyncio.ensure_future(self._keep(lost))

    async def resign(self) -> None:
        """Renew no more, and give the Lease back if it is or may be ours, so that the next one need not wait."""
        self._over = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        try:
            async with asyncio.timeout(_RELEASE_S):
                await self._release()
        except (ClusterError, TimeoutError) as error:
            if not isinstance(error, NotFound):
                log.warning("the %s was not given back: %s; it will run out", self.name, _why(error, _RELEASE_S))

    async def _keep(self, lost: Callable[[str], None]) -> None:
        try:
            why = await self._until_lost()
        except Exception:  # a bug of ours must end the process, not leave it idle for ever
            log.exception("renewing the %s failed by a bug", self.name)
            why = f"the {self.name} cannot be renewed any more"
        self._over = True
        lost(why)

    async def _until_lost(self) -> str:
        while not (why := self._why_lost()):
            await asyncio.sleep(min(self._terms.retry_s, max(self._left_s(), _SHORT_S)))
            # Before anything is asked: a process that was stopped for long must not revive what is somebody else's.
            if not (why := self._why_lost()):
                await self._round(min(self._terms.deadline_s / 2, self._left_s()))
        return why

    def _why_lost(self) -> str:
        if self._seen is not None and self.holder != self.identity:
            return f"the {self.name} is held by {self.holder or 'nobody'}, not by {self.identity}"
        if self._left_s() >= _SHORT_S:
            return ""
        because = f": {self._problem}" if self._problem else ": the process stood still"
        return f"the {self.name} was not renewed for {self._age_s():.1f} s{because}"

    def _age_s(self) -> float:
        return math.inf if self._renewed_s is None else self._ambient.elapsed_s() - self._renewed_s

    def _left_s(self) -> float:
        """How long a renewal may still take."""
        return self._terms.deadline_s - self._age_s()

    async def _round(self, limit_s: float) -> bool:
        """Try once to take or renew the Lease. Answers whether it is ours now; a failure is logged when it is new."""
        try:
            async with asyncio.timeout(limit_s):
                done = await self._take()
        except (ClusterError, TimeoutError) as error:
            deleted = isinstance(error, NotFound) and self._seen is not None
            if not deleted and not isinstance(error, Conflict | AlreadyExists):
                self._complain(_why(error, limit_s))
            return False
        self._problem = ""
        return done

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            wanted = "acquired" if self._renewed_s is None else "renewed"
            log.warning("the %s cannot be %s: %s; it is tried again", self.name, wanted, problem)
        self._problem = problem

    async def _take(self) -> bool:
        held = self._renewed_s is not None
        # A write that was refused, or not answered, may mean that the Lease is not what we last saw.
        if not held or self._unsure:
            self._look(await self._read())
        if self.holder != self.identity:
            if not (self._seen is None if held else self._is_free()):
                return False
            if not held:
                self.taken_from = self.holder
        record = self._record()
        asked_s = self._ambient.elapsed_s()
        self._unsure = True
        written = await (self._cluster.create(record) if self._seen is None else self._cluster.replace(record))
        self._unsure = False
        self._seen, self._renewed_s = written, asked_s
        # An answer that comes too late is none: somebody else may have taken the Lease since.
        return self.valid()

    async def _read(self) -> Object | None:
        try:
            return await self._cluster.get(self._ref)
        except NotFound:
            return None

    def _look(self, found: Object | None) -> None:
        """See the Lease. Another version of it is a sign of life of its holder, at the moment we see it."""
        if found is not None and _version(found) != _version(self._seen):
            seconds = count(found, "spec", "leaseDurationSeconds", default=math.ceil(self._terms.duration_s))
            self._taken_until_s = self._ambient.elapsed_s() + seconds if _holder(found) else 0.0
        # One that was deleted by hand stays taken until it would have run out: its holder does not know yet.
        self._seen = found

    def _is_free(self) -> bool:
        return self._ambient.elapsed_s() >= self._taken_until_s

    def _record(self, *, free: bool = False) -> Object:
        """The Lease as it should be: ours, or nobody's."""
        seen = self._seen or {}
        spec: dict[str, Any] = dict(mapping(seen, "spec"))
        now = self._stamp()
        new_holder = self.holder != self.identity
        spec["leaseTransitions"] = count(spec, "leaseTransitions") + (new_holder and self._seen is not None)
        spec["renewTime"] = now
        if new_holder or free:
            spec["acquireTime"] = now
        spec["holderIdentity"] = "" if free else self.identity
        spec["leaseDurationSeconds"] = 1 if free else math.ceil(self._terms.duration_s)
        metadata = seen.get("metadata") or {"namespace": self._ref.namespace, "name": self._ref.name}
        return {"apiVersion": self._ref.api_version, "kind": self._ref.kind, "metadata": metadata, "spec": spec}

    def _stamp(self) -> str:
        """Now, as MicroTime, and never the same twice: a write that changes nothing is not seen by anybody."""
        self._stamp_us = max(self._stamp_us + 1, self._ambient.now_ms() * 1000)
        seconds, micros = divmod(self._stamp_us, 1_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"

    async def _release(self) -> None:
        if self._unsure:
            self._look(await self._read())
        while self._seen is not None and self.holder == self.identity:
            try:
                self._seen = await self._cluster.replace(self._record(free=True))
            except Conflict:
                self._look(await self._read())


def _holder(lease: Object | None) -> str:
    return text(lease, "spec", "holderIdentity")


def _version(lease: Object | None) -> tuple[str, str]:
    return text(lease, "metadata", "uid"), text(lease, "metadata", "resourceVersion")


def _why(error: Exception, limit_s: float) -> str:
    """A sentence; with what to do, where somebody can do it."""
    if isinstance(error, TimeoutError):
        return f"the API server did not answer within {limit_s:.1f} s"
    if isinstance(error, Forbidden):
        return f"{error}: the controller's Role must allow get, create and update of leases.coordination.k8s.io"
    return str(error)
