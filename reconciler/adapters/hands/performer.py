"""Performs effects: chooses the operation, and keeps rendered objects while a run is at work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from ledger.events import FetchIntended
from reconciler.adapters.fair import working_for
from reconciler.adapters.hands import act, apply, build, connect, fetch, prune, replace, verify, withheld
from reconciler.adapters.hands.noting import Notebook
from reconciler.adapters.hands.tools import Tools, Wire
from reconciler.adapters.operations.claims import Claims
from reconciler.api.types import StageSetSpec
from reconciler.ports.hands import Answer, Order, Target
from reconciler.state import plan_of

Operation = Callable[[Order], Awaitable[Answer]]


class Performer:
    """The shipped `Hands`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        #: of the stage at work, or the one that is looked at ahead of it: one for each target
        self._wires: dict[Target, tuple[str, Wire]] = {}
        self._fetching: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        #: of all who apply in this process
        self.claims = Claims()
        self._operations: dict[str, Operation] = {
            "connect": self._connect,
            "fetch": self._fetch,
            "build": self._build,
            "apply": self._apply,
            "replace": self._replace,
            "verify": self._verify,
            "prune": self._prune,
            "action": self._act,
        }

    async def perform(self, order: Order) -> Answer:
        working_for(order.target.namespace)
        answer = await self._operations[order.effect.operation](order)
        stage, wire = self._wires.get(order.target, ("", None))
        return answer if wire is None or stage != order.effect.stage else withheld.checked(answer, leaks=wire.leaks)

    def forget(self, target: Target) -> None:
        self._wires.pop(target, None)

    async def close(self) -> None:
        """End downloads that nobody waits for any more."""
        flights = list(self._fetching.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _act(self, order: Order) -> Answer:
        book = Notebook(self._tools, words=act.expression(order))
        return await book.kept(await act.perform(book.tools, order))

    async def _connect(self, order: Order) -> Answer:
        book = Notebook(self._tools)
        return await book.kept(await connect.perform(book.tools, order.effect, target=order.target))

    async def _fetch(self, order: Order) -> Answer:
        """One download for all who want the same artifact from the same place at the same time."""
        intent = order.effect.event
        assert isinstance(intent, FetchIntended)
        key = (intent.pin.url, intent.pin.digest)
        flight = self._fetching.get(key)
        if flight is None:
            flight = asyncio.ensure_future(self._fetched(order))
            self._fetching[key] = flight
            flight.add_done_callback(lambda _: self._fetching.pop(key, None))
        # A run that is superseded leaves the others' download alone.
        return await asyncio.shield(flight)

    async def _fetched(self, order: Order) -> Answer:
        book = Notebook(self._tools)
        return await book.kept(await fetch.perform(book.tools, order.effect))

    async def _build(self, order: Order) -> Answer:
        book = Notebook(self._tools)
        answer, wire = await build.perform(book.tools, _job(order))
        if wire is not None:
            self._wires[order.target] = (order.effect.stage, wire)
        return await book.kept(answer, always=book.has_variables)

    async def _apply(self, order: Order) -> Answer:
        wire = await self._wire(order)
        return await apply.perform(self._tools, order, wire=wire, claims=self.claims)

    async def _replace(self, order: Order) -> Answer:
        return await replace.perform(self._tools, order.effect, target=order.target, state=order.state)

    async def _verify(self, order: Order) -> Answer:
        async def scrubber() -> Callable[[str], str]:
            wire = await self._wire(order)
            # Without the values nothing can be taken out, so nothing but our own words may be kept.
            return (lambda _: "[withheld]") if isinstance(wire, Answer) else wire.scrub

        return await verify.perform(
            self._tools, order.effect, target=order.target, state=order.state, scrubber=scrubber
        )

    async def _prune(self, order: Order) -> Answer:
        return await prune.perform(self._tools, order.effect, target=order.target, state=order.state)

    async def rendered(self, order: Order) -> str:
        """Digest of what a stage renders to here; empty where it cannot be rendered."""
        wire = await self._wire(order)
        return "" if isinstance(wire, Answer) else wire.manifests

    async def _wire(self, order: Order) -> Wire | Answer:
        """The stage's objects for the wire; after a restart they are built again from the kept artifact."""
        stage, known = self._wires.get(order.target, ("", None))
        if known is not None and stage == order.effect.stage:
            return known
        answer, wire = await build.perform(self._tools, _job(order))
        return answer if wire is None else wire


def _job(order: Order) -> build.Job:
    run, stage = order.state.run, order.effect.stage
    assert run is not None, "a stage is built in a run"
    plan = plan_of(run, stage)
    assert plan is not None, "only stages of the spec are built"
    spec = msgspec.convert(run.spec, StageSetSpec)
    return build.Job(target=order.target, spec=spec, stage=stage, artifact=plan.pin.digest)
