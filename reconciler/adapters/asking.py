"""What calls for a fact beside a StageSet's spec: requests in its annotations, and completions in its StageLedger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from ledger.envelope import Draft
from reconciler import errors
from reconciler.adapters.fair import working_for
from reconciler.adapters.stageledgers import StageLedgers
from reconciler.api import names
from reconciler.api.problems import Problem
from reconciler.compute.kubeevents import Told, event_object
from reconciler.compute.requests import next_draft, parse
from reconciler.ports.cluster import Cluster, Object, Ref
from reconciler.ports.members import Member
from reconciler.state import State

#: An annotation that asks for something in words that are not understood.
REQUEST_INVALID = "RequestInvalid"


class Asking:
    """Facts for members, and a word about requests that cannot be read: once for each wording."""

    def __init__(self, stageledgers: StageLedgers, *, cluster: Cluster, now_ms: Callable[[], int]) -> None:
        self._stageledgers, self._cluster, self._now_ms = stageledgers, cluster, now_ms
        self._told: dict[Member, str] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def __call__(self, member: Member, state: State) -> Draft | Literal[False] | None:
        """The next fact; false while what shows it is not known yet."""
        if member.observed.requests:
            self._tell(member, [one for one in parse(member.observed.requests) if isinstance(one, Problem)])
            asked = next_draft(state, member.observed.requests)
            if asked is not None:
                return asked
        return self._stageledgers.fact(member, state)

    def forget(self, member: Member) -> None:
        """The StageSet is gone."""
        self._told.pop(member, None)

    async def close(self) -> None:
        """Let what is under way finish."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _tell(self, member: Member, problems: list[Problem]) -> None:
        text = "; ".join(map(str, problems))
        if text == self._told.get(member, ""):
            return
        self._told[member] = text
        if not text:
            return
        told = Told(type="Warning", reason=REQUEST_INVALID, message=text, cause=text)
        regarding = Ref(names.API_VERSION, "StageSet", member.target.namespace, member.target.name)
        event = event_object(told, regarding=regarding, uid=member.target.uid, at_ms=self._now_ms())
        task = asyncio.ensure_future(self._send(member.target.namespace, event))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, namespace: str, event: Object) -> None:
        working_for(namespace)
        try:
            await self._cluster.create(event)
        except errors.ClusterError:
            # It was told before, or cannot be: the request stays as it is, for whoever looks.
            return
