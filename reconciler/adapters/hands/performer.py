"""Performs effects: chooses the operation, and keeps rendered objects while a run is at work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from ledger.events import FetchIntended
from reconciler.adapters.hands import apply, build, connect, fetch, prune, verify
from reconciler.adapters.hands.tools import Tools, Wire
from reconciler.api.types import StageSetSpec
from reconciler.effects import Effect
from reconciler.ports.hands import Answer, Target
from reconciler.state import State, plan_of

Operation = Callable[[Effect, Target, State], Awaitable[Answer]]


class Performer:
    """The shipped `Hands`."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        #: of the stage at work, or the one that is looked at ahead of it: one for each target
        self._wires: dict[Target, tuple[str, Wire]] = {}
        self._fetching: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._operations: dict[str, Operation] = {
            "connect": self._connect,
            "fetch": self._fetch,
            "build": self._build,
            "apply": self._apply,
            "verify": self._verify,
            "prune": self._prune,
        }

    async def perform(self, effect: Effect, *, target: Target, state: State) -> Answer:
        return await self._operations[effect.operation](effect, target, state)

    def forget(self, target: Target) -> None:
        self._wires.pop(target, None)

    async def close(self) -> None:
        """End downloads that nobody waits for any more."""
        flights = list(self._fetching.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _connect(self, effect: Effect, target: Target, state: State) -> Answer:
        return await connect.perform(self._tools, effect, target=target)

    async def _fetch(self, effect: Effect, target: Target, state: State) -> Answer:
        """One download for all who want the same artifact from the same place at the same time."""
        intent = effect.event
        assert isinstance(intent, FetchIntended)
        key = (intent.pin.url, intent.pin.digest)
        flight = self._fetching.get(key)
        if flight is None:
            flight = asyncio.ensure_future(fetch.perform(self._tools, effect))
            self._fetching[key] = flight
            flight.add_done_callback(lambda _: self._fetching.pop(key, None))
        # A run that is superseded leaves the others' download alone.
        return await asyncio.shield(flight)

    async def _build(self, effect: Effect, target: Target, state: State) -> Answer:
        answer, wire = await build.perform(self._tools, _job(effect.stage, target, state))
        if wire is not None:
            self._wires[target] = (effect.stage, wire)
        return answer

    async def _apply(self, effect: Effect, target: Target, state: State) -> Answer:
        return await apply.perform(
            self._tools, effect, target=target, state=state, wire=await self._wire(effect, target, state)
        )

    async def _verify(self, effect: Effect, target: Target, state: State) -> Answer:
        async def scrubber() -> Callable[[str], str]:
            wire = await self._wire(effect, target, state)
            # Without the values nothing can be taken out, so nothing but our own words may be kept.
            return (lambda _: "[withheld]") if isinstance(wire, Answer) else wire.scrub

        return await verify.perform(self._tools, effect, target=target, state=state, scrubber=scrubber)

    async def _prune(self, effect: Effect, target: Target, state: State) -> Answer:
        return await prune.perform(self._tools, effect, target=target, state=state)

    async def _wire(self, effect: Effect, target: Target, state: State) -> Wire | Answer:
        """The stage's objects for the wire; after a restart they are built again from the kept artifact."""
        stage, known = self._wires.get(target, ("", None))
        if known is not None and stage == effect.stage:
            return known
        answer, wire = await build.perform(self._tools, _job(effect.stage, target, state))
        return answer if wire is None else wire


def _job(stage: str, target: Target, state: State) -> build.Job:
    run = state.run
    assert run is not None, "a stage is built in a run"
    plan = plan_of(run, stage)
    assert plan is not None, "only stages of the spec are built"
    spec = msgspec.convert(run.spec, StageSetSpec)
    return build.Job(target=target, spec=spec, stage=stage, artifact=plan.pin.digest)
