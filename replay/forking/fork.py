"""Decides on with a change: from the recorded facts, as far as they answer what is asked; then from whoever else can.

The order of answers: what was given, what was recorded for the very question, what the controller's own code computes
from recorded inputs, and a simulated cluster where that is wanted. Where none of them answers it stops and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ledger import events as e
from ledger.envelope import Record, Stored
from ledger.instant import to_ms, to_text
from reconciler.effects import Entry, entry_of_record
from reconciler.plan import plan
from reconciler.ports.hands import Answer
from reconciler.state import State
from reconciler.step import step
from replay.errors import Incomplete, Unusable
from replay.forking.changes import Changes, Given, Opening, opening
from replay.forking.computing import Computing
from replay.forking.exchanges import Exchange, Exchanges, Late, told
from replay.forking.questions import action_of, asked, pending_of
from replay.forking.result import Answered, Forked, Origin, Question
from replay.forking.simulation import Simulation
from replay.forking.telling import ended, operation_of, waits
from replay.performing.loop import InstantClock, Stuck, run
from replay.performing.recorded import NotRecorded
from replay.performing.tools import Blobs
from replay.performing.turns import Turn, order_of, target_of, turns
from replay.recompute.answers import Material

#: More answers than this are a loop.
ANSWERS_MAX = 5_000


def fork(records: Sequence[Stored], material: Material, changes: Changes) -> Forked:
    """The run of a bundle with changes. Raises `Unusable` and `Incomplete`."""
    found = list(turns(records))
    at = next((at for at, turn in enumerate(found) if _opens(turn, material.run)), None)
    if at is None:
        raise Incomplete(f"run {material.run} is not opened in the bundle: export it whole")
    forked = _Fork(found[at:], material, changes)
    try:
        return run(forked.to_end)
    except Stuck as stuck:
        raise Incomplete(f"the fork does not come to an end: {stuck}") from stuck


def _opens(turn: Turn, run_id: str) -> bool:
    return isinstance(turn.fact.event, e.RunOpened) and turn.fact.header.run == run_id


class _Told(NamedTuple):
    """An answer, and who gave it."""

    event: e.Finished
    outcome: str
    origin: Origin
    blobs: tuple[str, ...] = ()


class _Fork:
    def __init__(self, recorded: Sequence[Turn], material: Material, changes: Changes) -> None:
        self._recorded, self._material, self._changes = recorded, material, changes
        self._state = recorded[0].before
        self._exchanges = Exchanges([turn for turn in recorded if turn.fact.header.run == material.run])
        self._opening = self._opened()
        self._blobs = Blobs({**material.blobs, **self._opening.blobs})
        #: next recorded fact, as long as the fork is as the recording is
        self._next = 0
        self._in_step = True
        self._same, self._same_until = True, 0
        #: version and position from which positions are counted on
        self._counted = (recorded[0].before.version, recorded[0].fact.header.seq - 1)
        self._answers: list[Answered] = []
        self._used: set[int] = set()

    def _opened(self) -> Opening:
        event = self._recorded[0].fact.event
        assert isinstance(event, e.RunOpened)
        failed = next((draft.stage for turn in self._recorded for draft in turn.decisions if _fails(draft.event)), "")
        namespace = target_of(self._state.stream).namespace
        return opening(event, self._changes, namespace=namespace, failed=failed)

    async def to_end(self) -> Forked:
        """Until the run is over, or a question is open."""
        self._clock = InstantClock(to_ms(self._recorded[0].fact.header.at))
        self._computing = Computing(self._exchanges, self._blobs, self._material.workshop, clock=self._clock)
        self._computing.hosts = self._opening.hosts
        self._simulation: Simulation | None = None
        try:
            first = self._recorded[0].fact
            self._take(entry_of_record(first)._replace(event=self._opening.event), first)
            question = await self._go_on()
        finally:
            await self._end_simulation()
        self._check_given()
        return self._forked(question)

    async def _end_simulation(self) -> None:
        if self._simulation is not None:
            await self._simulation.close()

    async def _go_on(self) -> Question | None:
        while self._is_at_work and len(self._answers) < ANSWERS_MAX:
            if await self._other_fact():
                continue
            if self._state.pending is not None:
                question = await self._answer()
                if question is not None:
                    return question
            elif not await self._time_passes():
                break
        return None

    @property
    def _is_at_work(self) -> bool:
        """Whether the run is neither over nor superseded."""
        run_at_work = self._state.run
        return not self._state.resting and run_at_work is not None and run_at_work.id == self._material.run

    # ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _other_fact(self) -> bool:
        """A recorded fact that is no answer, where the fork is still where it was recorded."""
        turn = self._upcoming()
        if turn is None or turn.fact.header.intent:
            return False
        await self._until(to_ms(turn.fact.header.at))
        self._take(entry_of_record(turn.fact)._replace(at_ms=self._clock.now_ms()), turn.fact)
        return True

    async def _time_passes(self) -> bool:
        """A pause that the core has made is over."""
        wanted = plan(self._state)
        if not wanted.wake_ms:
            return False
        await self._until(wanted.wake_ms)
        event = e.TimerFired(timer=wanted.why, due=to_text(wanted.wake_ms))
        self._take(self._entry(event), None)
        return True

    def _upcoming(self) -> Turn | None:
        return self._recorded[self._next] if self._in_step and self._next < len(self._recorded) else None

    async def _until(self, at_ms: int) -> None:
        left_ms = at_ms - self._clock.now_ms()
        if left_ms > 0:
            await asyncio.sleep(left_ms / 1000)

    def _entry(self, event: e.Event, **fields: object) -> Entry:
        run_id = self._state.run.id if self._state.run is not None else ""
        known: dict[str, object] = {"run": run_id, **fields}
        return Entry(event, self._clock.now_ms(), self._state.version + 1, **known)  # type: ignore[arg-type]

    def _take(self, entry: Entry, record: Record | None) -> None:
        """Step one fact. `record` is the recorded one that it is; None: there is none."""
        entry = entry._replace(ver=self._state.version + 1)
        turn = self._upcoming()
        try:
            result = step(self._state, entry)
        except Exception as error:  # whatever breaks on a change, or on an answer that was given, is told
            seq = self._seq(entry.intent or entry.ver)
            raise Unusable(
                f"position {seq}: the run cannot go on with this: {type(error).__name__}: {error}"
            ) from error
        self._state = result.state
        if turn is None or record is not turn.fact:
            self._leave()
            return
        self._next += 1
        self._counted = (turn.after.version, turn.fact.header.seq + len(turn.decisions))
        tags = [(e.tag_of(one.event), one.stage) for one in result.decisions]
        # The first one is the change itself: what it makes of the run is what counts.
        same_fact = entry.event == turn.fact.event or self._next == 1
        if same_fact and self._same:
            self._same_until = turn.fact.header.seq
        for at, (mine, theirs) in enumerate(zip(result.decisions, turn.decisions, strict=False), start=1):
            self._same = self._same and same_fact and mine.event == theirs.event and mine.stage == theirs.stage
            self._same_until = turn.fact.header.seq + at if self._same else self._same_until
        self._same = self._same and same_fact
        if tags != [(e.tag_of(one.event), one.stage) for one in turn.decisions]:
            self._counted = (entry.ver, turn.fact.header.seq)
            self._leave()

    def _leave(self) -> None:
        self._in_step = self._same = False

    def _seq(self, version: int) -> int:
        """Position of a version: as recorded, or counted on from where the fork left."""
        return self._counted[1] + version - self._counted[0]

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self) -> Question | None:
        """Answer what is pending, or say that nobody can."""
        pending = pending_of(self._state)
        seq = self._seq(pending.intent)
        found = self._exchanges.find(self._state)
        given = self._given(seq)
        if given is not None:
            self._record(_given_answer(given, self._state), seq)
            return None
        if isinstance(found, Exchange) and not await self._is_refused_otherwise(found):
            await self._recorded_answer(found, seq)
            return None
        answer = await self._otherwise(found if isinstance(found, Late) else None, seq)
        if isinstance(answer, Question):
            return answer
        self._record(answer, seq)
        return None

    async def _is_refused_otherwise(self, found: Exchange) -> bool:
        """Whether lists of hosts that were given make another answer of a request than the recorded one."""
        if not self._computing.judges(self._state):
            return False
        was_refused = getattr(found.answer.event, "reason", "") == "URLRefused"
        try:
            return await self._computing.answer(self._state) is not None or was_refused
        except NotRecorded:
            return was_refused

    async def _recorded_answer(self, found: Exchange, seq: int) -> None:
        self._exchanges.given(found)
        began_ms = self._clock.now_ms()
        for record in found.facts:
            pending = pending_of(self._state)
            await self._until(began_ms + max(to_ms(record.header.at) - found.began_ms, 0))
            entry = entry_of_record(record)._replace(
                at_ms=self._clock.now_ms(),
                run=self._state.run.id if self._state.run else "",
                stage=pending.stage,
                intent=pending.intent,
                idem=pending.key,
            )
            if record is found.answer:
                assert isinstance(record.event, e.Finished)
                self._note(_Told(record.event, record.header.outcome, "recorded"), seq)
            self._take(entry, record)

    async def _otherwise(self, found: Late | None, seq: int) -> _Told | Question:
        """Computed, or simulated, or nobody's."""
        why = "the recording does not tell"
        try:
            computed = await self._computing.answer(self._state) if found is None else None
        except NotRecorded as unknown:
            computed, why = None, f"the recording does not tell {unknown.what}"
        if computed is not None:
            return _Told(computed.event, computed.outcome, "computed", computed.blobs)
        return await self._simulated(found, seq) if self._changes.simulate else self._open(found, seq, why=why)

    async def _simulated(self, found: Late | None, seq: int) -> _Told | Question:
        if self._simulation is None:
            workshop = self._material.workshop
            fetcher = self._computing.fetcher
            self._simulation = Simulation(self._clock, blobs=self._blobs, workshop=workshop, fetcher=fetcher)
        pending = pending_of(self._state)
        if isinstance(pending.event, e.ActionIntended):
            self._simulation.caller.guard = self._computing.guard(self._state)
        order = order_of(self._state, first=True)._replace(report=self._report)
        every = told(self._exchanges.all, self._blobs.found, last=None)
        try:
            answer: Answer = await self._simulation.answer(order, every)
        except NotRecorded as unknown:
            return self._open(found, seq, why=f"a simulated cluster does not tell {unknown.what}")
        except TimeoutError:
            return self._open(found, seq, why="nothing comes of it on a simulated cluster within a day")
        return _Told(answer.event, answer.outcome, "simulated", answer.blobs)

    async def _report(self, event: e.Event) -> None:
        """What a hand observed on the way counts before it goes on."""
        pending = pending_of(self._state)
        self._take(
            self._entry(event, stage=pending.stage, intent=pending.intent, idem=pending.key),
            None,
        )

    def _record(self, answer: _Told, seq: int) -> None:
        pending = pending_of(self._state)
        self._note(answer, seq)
        entry = self._entry(
            answer.event,
            stage=pending.stage,
            intent=pending.intent,
            idem=pending.key,
            outcome=answer.outcome,
            blobs=answer.blobs,
        )
        self._take(entry, None)

    def _note(self, answer: _Told, seq: int) -> None:
        pending, event = pending_of(self._state), answer.event
        self._answers.append(
            Answered(
                seq=seq,
                at=to_text(self._clock.now_ms()),
                stage=pending.stage,
                operation=operation_of(self._state),
                action=event.action if isinstance(event, e.ActionFinished) else "",
                origin=answer.origin,
                outcome=answer.outcome,
                message=event.message,
            )
        )

    def _given(self, seq: int) -> Given | None:
        """What somebody answers to the question at a position, or instead of the answer that was recorded to it."""
        pending = pending_of(self._state)
        recorded = self._exchanges.at(pending.intent) if self._in_step else None
        seqs = {seq, recorded.answer.header.seq if recorded is not None else seq}
        found = next((one for one in self._changes.answers if one.seq in seqs), None)
        if found is not None:
            self._used.add(found.seq)
        return found

    def _check_given(self) -> None:
        unused = [one.seq for one in self._changes.answers if one.seq not in self._used]
        if unused:
            asked_at = ", ".join(f"{one.seq} ({one.operation})" for one in self._answers[-10:])
            raise Unusable(f"--answer {unused[0]}: nothing is asked at position {unused[0]}; asked was at {asked_at}")

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, found: Late | None, seq: int, *, why: str) -> Question:
        pending = pending_of(self._state)
        asks = asked(self._state)
        known = ""
        if found is not None:
            asks, why, known = waits(self._state, found)
        if isinstance(pending.event, e.FetchIntended):
            why = f"{why}; its files may be given with --source {pending.stage}=DIR"
        action = action_of(self._state).name if isinstance(pending.event, e.ActionIntended) else ""
        return Question(
            seq=seq,
            stage=pending.stage,
            operation=operation_of(self._state),
            action=action,
            asks=asks,
            why=why,
            known=known,
        )

    def _forked(self, question: Question | None) -> Forked:
        run_id = self._material.run
        outcome, message = ended(self._state, question, run=run_id)
        simulated = any(one.origin == "simulated" for one in self._answers)
        return Forked(
            run=run_id,
            changes=self._opening.told,
            same_until=self._same_until,
            answers=tuple(self._answers),
            outcome=outcome,
            message=message,
            recorded=ended(self._recorded[-1].after, None, run=run_id)[1],
            question=question,
            simulated=simulated,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._simulation is not None:
            notes.append("permissions, quotas and webhooks are not simulated; workloads become ready")
            if self._simulation.unknown:
                count = len(self._simulation.unknown)
                notes.append(f"{count} objects of earlier runs are not in the bundle, and were not simulated")
        return tuple(notes)


def _fails(event: e.Event) -> bool:
    return isinstance(event, e.StageFailed)


def _given_answer(given: Given, state: State) -> _Told:
    """An answer that somebody gives, as an event."""
    pending = pending_of(state)
    body = dict(given.body)
    if isinstance(pending.event, e.ActionIntended):
        body = {"hook": pending.event.hook, "action": pending.event.action, **body}
    kind = e.BY_TAG[f"{pending.operation}.finished"]
    try:
        event = msgspec.convert({**body, "type": kind.__struct_config__.tag}, kind)
    except msgspec.ValidationError as error:
        raise Unusable(f"--answer {given.seq}: it is no answer to {pending.operation}: {error}") from error
    assert isinstance(event, e.Finished)
    return _Told(event, given.outcome, "given")
