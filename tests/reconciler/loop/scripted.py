"""A journal, hands and a clock that do what a test says, and a driver's watcher that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ledger import events as e
from ledger.envelope import Draft
from ledger.log import Appended, Batch
from ledger.memory_log import MemoryLog
from reconciler.loop.driver import Driver, Parts
from reconciler.ports.hands import Answer, Order, Target
from reconciler.state import State
from tests.reconciler.making import START_MS, STREAM, Stream

TARGET = Target("shop", "rel", "0a1b2c3d")


class Clock:
    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms


class Journal:
    """Appends to a MemoryLog; `held` keeps appends waiting, `fail` makes the next ones fail."""

    def __init__(self) -> None:
        self.log = MemoryLog(ledger="l", at="2030-01-01T00:00:00.000Z", chance=lambda n: b"s" * n)
        self.fail: list[Exception] = []
        self.held: asyncio.Event | None = None
        #: what happened, in order: tags of what is durable, and what the hands began
        self.story: list[str] = []
        self.batches: list[Batch] = []
        self.blobs: dict[str, bytes] = {}

    async def append(self, batch: Batch) -> Appended:
        if self.held is not None:
            await self.held.wait()
        else:
            await asyncio.sleep(0)
        if self.fail:
            raise self.fail.pop(0)
        appended = self.log.append(batch)
        self.batches.append(batch)
        self.story += [f"{e.tag_of(draft.event)} {draft.stage}".strip() for draft in batch.drafts]
        return appended

    async def put_blob(self, chunks: bytes) -> str:
        digest = self.log.blobs.put(chunks)
        self.blobs[digest] = chunks
        return digest

    async def get_blob(self, digest: str) -> bytes | None:
        return self.blobs.get(digest)


class Hands:
    """Answers well, unless a test waits for an operation or gives another answer."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.world = Stream()
        self.performed: list[str] = []
        self.orders: list[Order] = []
        self.forgotten: list[Target] = []
        self.cancelled: list[str] = []
        #: operations that do not end until the event is set
        self.held: dict[str, asyncio.Event] = {}
        #: instead of the good answer: a value, or an exception to raise
        self.answers: dict[str, Answer | Exception] = {}

    async def perform(self, order: Order) -> Answer:
        effect = order.effect
        self.orders.append(order)
        name = f"{effect.operation} {effect.stage}"
        self.performed.append(name)
        self.journal.story.append(f"performing {name}")
        try:
            if effect.operation in self.held:
                await self.held[effect.operation].wait()
            else:
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        found = self.answers.get(effect.operation) or Answer(self.world.good(effect.event, effect.stage), "ok")
        if isinstance(found, Exception):
            raise found
        return found

    def forget(self, target: Target) -> None:
        self.forgotten.append(target)


class Watching:
    """Calls for the facts that a test queued; remembers what was told."""

    def __init__(self) -> None:
        self.facts: list[e.Event] = []
        self.asked = 0
        self.cleared = True
        self.told: list[tuple[str, ...]] = []
        self.wake = 0

    def fact(self, state: State) -> Draft | None:
        self.asked += 1
        return Draft(event=self.facts.pop(0)) if self.facts else None

    def recorded(self, state: State, drafts: tuple[Draft, ...], appended: Appended) -> None:
        assert appended.stream.number == state.version
        self.told.append(tuple(e.tag_of(draft.event) for draft in drafts))

    def wake_ms(self, state: State) -> int:
        return self.wake


class Bench:
    """One driver with everything scripted. Make it inside the running loop."""

    def __init__(self, state: State | None = None) -> None:
        self.clock, self.journal, self.watching = Clock(), Journal(), Watching()
        self.hands = Hands(self.journal)
        self.dispossessed: list[Exception] = []
        self.parts = Parts(
            journal=self.journal,
            hands=self.hands,
            clock=self.clock,
            epoch=self.journal.log.epoch,
            dispossessed=self.dispossessed.append,
        )
        self.driver = Driver(state or State(stream=STREAM), target=TARGET, parts=self.parts, watcher=self.watching)

    @property
    def state(self) -> State:
        return self.driver.state

    async def fact(self, event: e.Event) -> None:
        self.watching.facts.append(event)
        self.driver.kick()
        await settled()


async def settled(until: Callable[[], Any] = lambda: False) -> None:
    """Let everything run that can run now."""
    for _ in range(400):
        if until():
            return
        await asyncio.sleep(0)
