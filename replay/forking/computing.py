"""Answers that follow from recorded inputs alone: artifacts that are there, builds, and whether a request may be sent.

By the shipped hands, on recorded ports. Not what depends on time or on what was changed meanwhile: that is for a
simulation, or nobody.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger import events as e
from reconciler.adapters.hands import Performer
from reconciler.api import defaults
from reconciler.compute import fetching
from reconciler.compute.fields import mapping
from reconciler.compute.urlguard import Guard, Refusal, display
from reconciler.ports.clock import Clock
from reconciler.ports.hands import Answer
from reconciler.ports.requests import Call, CallError, Reply
from reconciler.state import State
from replay.forking.exchanges import Exchange, Exchanges, told
from replay.forking.questions import action_of, pending_of
from replay.performing.kustomize import Workshop
from replay.performing.recorded import NotRecorded, RecordedClusters, RecordedFetching, Recording
from replay.performing.tools import Blobs, Ports, tools
from replay.performing.turns import order_of

#: Verbs whose beginning follows from the spec: what comes after it raises `NotRecorded`.
_VERBS = frozenset({"http", "patch"})
_FLAG = "--allowed-action-hosts"


class Computing:
    """Computes answers in one fork."""

    def __init__(self, exchanges: Exchanges, blobs: Blobs, workshop: Workshop | None, *, clock: Clock) -> None:
        self._exchanges, self._blobs, self._workshop, self._clock = exchanges, blobs, workshop, clock
        #: lists of hosts that are to count instead of the recorded ones, by flag
        self.hosts: Mapping[str, tuple[str, ...]] = {}
        self.fetcher = RecordedFetching(self._recording(None))

    async def answer(self, state: State) -> Answer | None:
        """The answer to what is pending; None where it is not a matter of computing. Raises `NotRecorded`."""
        pending = pending_of(state)
        if pending.operation == "action" and defaults.verb(action_of(state)) not in _VERBS:
            return None
        if pending.operation not in ("fetch", "build", "action"):
            return None
        recording = self._recording(self._alike(state))
        clusters = RecordedClusters(recording)
        ports = Ports(clusters, RecordedFetching(recording), self.guard(state), self._clock)
        hands = Performer(tools(ports, blobs=self._blobs, workshop=self._workshop))
        try:
            return await hands.perform(order_of(state, first=True))
        finally:
            await clusters.close()
            await hands.close()

    def judges(self, state: State) -> bool:
        """Whether what is pending is a request that other lists of hosts may let through, or not."""
        pending = pending_of(state)
        if pending.operation == "action":
            return _FLAG in self.hosts and defaults.verb(action_of(state)) == "http"
        return False

    def guard(self, state: State) -> GuardedCalling:
        """Judges requests as the controller would."""
        return GuardedCalling(self._recording(self._alike(state)), self.hosts.get(_FLAG))

    def _alike(self, state: State) -> Exchange | None:
        """The recorded exchange that is nearest to what is pending: of the same operation of the same stage."""
        pending = pending_of(state)
        alike = [one for one in self._exchanges.all if (one.operation, one.stage) == (pending.operation, pending.stage)]
        if isinstance(pending.event, e.ActionIntended):
            name = pending.event.action
            alike = [one for one in alike if getattr(one.answer.event, "action", "") == name]
        return alike[-1] if alike else None

    def _recording(self, last: Exchange | None) -> Recording:
        every = self._exchanges.all
        items = [item for one in every for item in getattr(one.answer.event, "objects", ())]
        return Recording(told(every, self._blobs.found, last=last), items=items)


class GuardedCalling:
    """Judges a request, and knows no answer to it. The lists of hosts are the recorded ones, or those given."""

    def __init__(self, recording: Recording, hosts: tuple[str, ...] | None) -> None:
        self._recording, self._hosts = recording, hosts

    async def call(self, call: Call, *, within_s: float) -> Reply:
        note = self._recording.find("call", call.method)
        facts = dict(note.facts) if note is not None else {}
        if self._hosts is not None:
            given = Guard.of(self._hosts, flag=_FLAG, narrow=True)
            kept = {"flag": _FLAG, "allowed": sorted(given.allowed), "globs": list(given.globs)}
            facts = {**facts, "guard": kept}
        if mapping(facts, "guard"):
            try:
                fetching.judge(call.url, facts)
            except Refusal as refused:
                raise CallError(str(refused), reason="URLRefused", retryable=False, doubtful=False) from None
        raise NotRecorded(f"what {display(call.url)} answers to a {call.method}")
