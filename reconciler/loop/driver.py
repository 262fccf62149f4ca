"""One StageSet's turns: facts in order, one append each, effects as tasks. Nothing here waits for the world.

A driver at rest has no task and no timer of its own. Invariants: nothing is performed before its intent is durable; an
append that failed leaves the state as it was and is tried again; an answer to an intent that is no longer pending is
dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from ledger.envelope import Actor, Draft
from ledger.errors import AppendRefused, LedgerError, StaleEpoch, WrongVersion
from ledger.events import BY_TAG, Event, RunOpened
from ledger.instant import to_text
from ledger.log import Appended, Batch
from reconciler import digests
from reconciler.decide import unbreakable
from reconciler.effects import Effect, entry_of_draft
from reconciler.loop.packing import packed, unpacked
from reconciler.plan import plan
from reconciler.ports.clock import Clock
from reconciler.ports.hands import Answer, Hands, Order, Target
from reconciler.ports.journal import Journal
from reconciler.state import State
from reconciler.step import step

log = logging.getLogger(__name__)

#: Pause before an append that could not be made is tried again, in seconds.
LEDGER_PAUSE_S = 5.0
#: Pause before a turn that failed by a bug is tried again, in seconds.
BUG_PAUSE_S = 60.0
#: Reason of an outcome that the ledger has no place for.
UNRECORDABLE = "Unrecordable"


class Parts(NamedTuple):
    """What drivers share."""

    journal: Journal
    hands: Hands
    clock: Clock
    epoch: int
    #: called when this writer may no longer append: everything must stop
    dispossessed: Callable[[AppendRefused], None]
    #: asked before each effect: false once another may have taken over
    may_act: Callable[[], bool] = lambda: True


class Watcher(Protocol):
    """What a driver tells the outside."""

    def fact(self, state: State) -> Draft | None:
        """The fact that what is seen calls for, if any; the driver says of which run it is."""

    def recorded(self, state: State, drafts: tuple[Draft, ...], appended: Appended) -> None:
        """Something was recorded: status, inventories and events follow from it."""

    def wake_ms(self, state: State) -> int:
        """When to look again if nothing else happens; 0: never."""

    @property
    def cleared(self) -> bool:
        """Whether effects may start: false until it is known that the ledger is not older than the world."""


class _Fact(NamedTuple):
    draft: Draft
    #: whoever waits until it is durable
    recorded: asyncio.Future[None] | None = None


class Driver:
    """Runs one StageSet. Made with the fold of its stream."""

    def __init__(self, state: State, *, target: Target, parts: Parts, watcher: Watcher) -> None:
        #: None at rest: then it is kept packed
        self._state: State | None = state
        #: the state as it last came to rest; empty once it has moved on
        self._packed = b""
        self.target = target
        self._parts = parts
        self._watcher = watcher
        # A list: an empty deque is 700 bytes, and most are empty.
        self._answers: list[_Fact] = []
        #: intents that were recorded here and for which nothing was done yet; any other may have been performed
        self._fresh: set[int] = set()
        self._effects: dict[int, asyncio.Task[None]] = {}
        self._turn: asyncio.Task[None] | None = None
        self._look = False
        #: when what is seen was last looked at
        self._looked_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._halted = False

    @property
    def state(self) -> State:
        """The state. At rest it is kept in a tenth of the memory, and made anew for whoever asks."""
        return unpacked(self._packed) if self._state is None else self._state

    def kick(self) -> None:
        """Look at what is seen, soon. Cheap; calling it often is fine."""
        self._look = True
        if self._turn is None and not self._closed:
            self._turn = asyncio.ensure_future(self._take_turns())

    @property
    def looking(self) -> bool:
        """Whether what is seen is still to be looked at."""
        return self._look

    def halt(self) -> None:
        """From now on no effect starts. What is under way goes on."""
        self._halted = True

    async def close(self, *, grace_s: float = 0) -> None:
        """Stop taking turns and let go of effects under way; what they were is in the ledger.

        An effect that must not be broken off gets `grace_s` seconds to end and to be recorded. An append under way is
        awaited: it may be recorded whatever becomes of us, and the state must say so.
        """
        self.halt()
        if grace_s and unbreakable(self.state):
            await self._finish(grace_s)
        self._closed = True
        self._set_timer(0)
        effects = list(self._effects.values())
        for task in effects:
            task.cancel()
        await asyncio.gather(*effects, *([self._turn] if self._turn else []), return_exceptions=True)
        self._effects.clear()

    async def _finish(self, grace_s: float) -> None:
        """Until nothing is under way and everything is recorded, or time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while under_way := [*self._effects.values(), *([self._turn] if self._turn else [])]:
                    await asyncio.wait(under_way)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return self._turn is not None or bool(self._effects)

    async def _take_turns(self) -> None:
        self._state = self.state
        try:
            while not self._closed and (fact := self._next()) is not None:
                try:
                    await self._record(fact)
                except AppendRefused as refusal:
                    self._refused(fact, refusal)
        except LedgerError as error:
            # Fail closed: no effect starts until the ledger can be written again.
            log.error("ledger: %s", error, extra={"stageset": f"{self.target.namespace}/{self.target.name}"})
            self._turn = None
            self._set_timer(self._parts.clock.now_ms() + int(LEDGER_PAUSE_S * 1000))
            return
        except Exception as error:  # noqa: BLE001 - a bug of ours must be seen, and must neither stop nor spin
            name = f"{self.target.namespace}/{self.target.name}"
            failed = {"message": f"a turn of {name} failed by a bug", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failed)
            self._set_timer(self._parts.clock.now_ms() + int(BUG_PAUSE_S * 1000))
            return
        finally:
            self._turn = None
        self._perform()
        due_ms = self._watcher.wake_ms(self.state)
        # What is due and was looked at without a fact to record waits for the world, not for time.
        self._set_timer(due_ms if due_ms > self._looked_ms else 0)
        self._rest()

    def _rest(self) -> None:
        """Let go of the state where nothing is under way; it is packed again only if it has changed."""
        if self.state.resting and not self.busy and not self._answers:
            self._packed = self._packed or packed(self.state)
            self._state = None

    def _refused(self, draft: Draft, refusal: AppendRefused) -> None:
        """Stop where another writer took over; an outcome that has no place in the ledger fails its stage."""
        if isinstance(refusal, StaleEpoch | WrongVersion):
            self._closed = True
            self._parts.dispossessed(refusal)
            return
        finished = BY_TAG.get(f"{draft.event.OP}.finished")
        is_answer = bool(self._answers) and self._answers[0].draft is draft and bool(draft.outcome)
        if finished is None or not is_answer or getattr(draft.event, "reason", "") == UNRECORDABLE:
            raise RuntimeError(f"{draft.event.OP}: the ledger has no place for it") from refusal
        event: Any = _failure(finished, draft.event, reason=UNRECORDABLE, message=str(refusal), retryable=False)
        self._answers[0] = _Fact(replace(draft, event=event, outcome="failed", res=digests.of(event), blobs=()))

    def _next(self) -> Draft | None:
        while self._answers:
            draft = self._answers[0].draft
            pending = self.state.pending
            if pending is not None and pending.intent == draft.intent:
                return draft
            self._answers.pop(0)
        if not self._look:
            return None
        self._look = False
        self._looked_ms = self._parts.clock.now_ms()
        fact = self._watcher.fact(self.state)
        return None if fact is None else replace(fact, run=self._run_of(fact.event))

    def _run_of(self, event: Event) -> str:
        if isinstance(event, RunOpened):
            return f"{self.target.namespace}/{self.target.name}/{self.target.uid[:8]}-{self.state.version + 1}"
        return self.state.run.id if self.state.run else ""

    async def _record(self, draft: Draft) -> None:
        before = self.state
        at_ms = max(self._parts.clock.now_ms(), before.now_ms)
        result = step(before, entry_of_draft(draft, at_ms=at_ms, ver=before.version + 1))
        drafts = (draft, *result.decisions)
        batch = Batch(
            stream=before.stream,
            expected=before.version,
            epoch=self._parts.epoch,
            at=to_text(at_ms),
            drafts=drafts,
        )
        appended = await self._parts.journal.append(batch)
        self._state, self._packed = result.state, b""
        if self._answers and self._answers[0].draft is draft:
            recorded = self._answers.pop(0).recorded
            if recorded is not None and not recorded.done():
                recorded.set_result(None)
        pending = self._state.pending
        if pending is not None and pending.intent > before.version:
            self._fresh = {pending.intent}
        # Whatever was just recorded may call for the next fact: a released hold, a newer revision.
        self._look = True
        self._perform()
        self._watcher.recorded(self.state, drafts, appended)

    def _perform(self) -> None:
        """Start what is planned and not under way; let go of what is no longer planned."""
        wanted = {} if self._closed else {effect.intent: effect for effect in plan(self.state).effects}
        may_start = not self._halted and self._watcher.cleared and self._parts.may_act()
        for intent in [intent for intent in self._effects if intent not in wanted]:
            self._effects.pop(intent).cancel()
        if self.state.resting:
            self._parts.hands.forget(self.target)
        for intent, effect in wanted.items():
            waiting = any(answer.draft.intent == intent and answer.draft.outcome for answer in self._answers)
            if may_start and intent not in self._effects and not waiting:
                first = intent in self._fresh
                self._fresh.discard(intent)
                self._effects[intent] = asyncio.ensure_future(self._do(effect._replace(first=first)))

    async def _do(self, effect: Effect) -> None:
        try:
            report = partial(self._report, effect)
            answer = await self._parts.hands.perform(Order(effect, self.target, self.state, report))
        except (
            Exception
        ) as error:  # a bug of ours must fail its stage, where people look, and not stop the run in silence
            log.exception("%s of %s/%s failed by a bug", effect.operation, self.target.namespace, self.target.name)
            answer = _by_bug(effect, error)
        if self._effects.pop(effect.intent, None) is None:
            return
        draft = replace(self._seen_draft(effect, answer.event), outcome=answer.outcome, blobs=answer.blobs)
        self._heard(_Fact(draft))

    async def _report(self, effect: Effect, event: Event) -> None:
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard(_Fact(self._seen_draft(effect, event), recorded))
        await recorded

    def _heard(self, fact: _Fact) -> None:
        self._answers.append(fact)
        if self._turn is None and not self._closed:
            self._turn = asyncio.ensure_future(self._take_turns())

    def _seen_draft(self, effect: Effect, event: Event) -> Draft:
        run = self.state.run
        return Draft(
            event=event,
            actor=Actor(kind="world", id=effect.operation),
            run=run.id if run else "",
            snapshot=run.snapshot if run else "",
            stage=effect.stage,
            intent=effect.intent,
            idem=effect.key,
            res=digests.of(event),
        )

    def _set_timer(self, due_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_ms and not self._closed:
            delay_s = max(due_ms - self._parts.clock.now_ms(), 0) / 1000
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.kick)


def _by_bug(effect: Effect, error: Exception) -> Answer:
    finished = BY_TAG[f"{effect.operation}.finished"]
    message = f"the controller failed ({type(error).__name__}); its log has the details: please report it"
    event: Any = _failure(finished, effect.event, reason="InternalError", message=message, retryable=True)
    # Where a bug left an action nobody knows: it is not repeated.
    return Answer(event, "indeterminate" if effect.operation == "action" else "failed")


def _failure(finished: type[Event], about: Event, **fields: Any) -> Event:
    """An outcome of the kind that answers an event; that of an action says which one."""
    named = {name: getattr(about, name) for name in ("hook", "action") if hasattr(about, name)}
    return finished(**named, **fields)
