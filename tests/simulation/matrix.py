"""The crash matrix: an action, a hook, a moment, and what happens at that moment; how often the world saw its effect.

The expectation is a rule derived from DESIGN §6, not what was seen once; the page shows the rule, and the test proves
it cell by cell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from ledger import events as e
from ledger.log import Batch
from reconciler.ports.cluster import Ref
from tests.simulation.acting import VERBS, Verb, answer_truthfully, held
from tests.simulation.bases import DEPLOYMENT, SECRET, SHARED, Script
from tests.simulation.http_server import LIMIT_S
from tests.simulation.life import finish, told
from tests.simulation.ports import Fate, Line
from tests.simulation.virtual import VirtualLoop, run
from tests.simulation.world import LEASE_S, OUTAGE_S, STANDS_S, World

ACTION = "step"
#: The rows. A Job is made and then started: each of the two requests is a row, and the effect is that it runs.
ROWS: dict[str, Verb] = {
    **{name: verb._replace(title="job, its creation") if name == "job" else verb for name, verb in VERBS.items()},
    "job-start": VERBS["job"]._replace(title="job, its start", request="patch Job"),
}
#: Longest time until a StageSet is where it ends, in seconds.
WITHIN_S = 400.0

#: So long a patch that may have been sent is looked for, in seconds.
LOOKS_S = 7.5

Hook = Literal["pre", "post", "onFailure"]
HOOKS: tuple[Hook, ...] = ("pre", "post", "onFailure")
End = Literal["Ready", "held", "failed"]
Scope = Literal["Revision", "Lifetime"]


class Moment(NamedTuple):
    """A moment in the life of an action."""

    title: str
    #: boundary: before or after an append, or the request that is the effect
    where: str
    #: event whose append it is
    event: type[e.Event] | None = None


BEFORE_INTENT = Moment("before the intent", "before append", e.ActionIntended)
INTENDED = Moment("intent recorded", "after append", e.ActionIntended)
BEFORE_EFFECT = Moment("before the effect", "before")
DURING = Moment("during: the effect is made, its answer on its way", "after")
ANSWERED = Moment("answered, outcome not recorded", "before append", e.ActionFinished)
RECORDED = Moment("outcome recorded", "after append", e.ActionFinished)
MOMENTS = (BEFORE_INTENT, INTENDED, BEFORE_EFFECT, DURING, ANSWERED, RECORDED)
#: So long after its intent a wait is in the middle, in seconds.
MIDDLE_S = 2.0


class Kind(NamedTuple):
    """What happens at the moment."""

    title: str
    fate: Fate
    #: seconds after which the controller is killed as well; 0: it is not
    then_killed_s: float = 0.0

    @property
    def forgets(self) -> bool:
        """Whether what the controller knows and has not recorded is gone."""
        return self.fate in {"kill", "stop"} or bool(self.then_killed_s)


KILL = Kind("SIGKILL", "kill")
STOP = Kind("SIGSTOP past the Lease, another takes over, SIGCONT", "stop")
LOST = Kind("the network is lost", "lose")
FULL = Kind("the disk is full", "fill")
FULL_KILL = Kind("the disk is full, then SIGKILL", "fill", 2.0)
KINDS = (KILL, STOP, LOST, FULL, FULL_KILL)


class Promise(NamedTuple):
    """How often the world sees the effect, and where the StageSet ends before anybody answers anything."""

    effects: int
    end: End

    def __str__(self) -> str:
        return f"{self.effects} · {self.end}"


class Cell(NamedTuple):
    """One combination."""

    verb: str
    hook: Hook
    moment: Moment
    kind: Kind
    scope: Scope = "Revision"
    #: how long it takes until the controller, the network or the disk is back, beyond what it must, in seconds
    delay_s: float = 0.0
    #: kill it once more in the end: nothing may happen again
    again: bool = False

    def __str__(self) -> str:
        scope = f" {self.scope}" if self.scope != "Revision" else ""
        delay = f" +{self.delay_s:g} s" if self.delay_s else ""
        return f"{self.verb} {self.hook}{scope}, {self.kind.title}{delay}, {self.moment.title}"


def cells(
    *, scopes: tuple[Scope, ...] = ("Revision",), delays: tuple[float, ...] = (0.0,), again: bool = False
) -> Iterator[Cell]:
    """All combinations that there are: a wait has no effect, and onFailure no Lifetime."""
    for name, verb in ROWS.items():
        for hook in HOOKS:
            for scope in scopes:
                if hook == "onFailure" and scope == "Lifetime":
                    continue
                for moment in MOMENTS:
                    if moment == BEFORE_EFFECT and not verb.request:
                        continue
                    for kind in KINDS:
                        yield from (Cell(name, hook, moment, kind, scope, delay, again) for delay in delays)


#: So much later one that stood still goes on that the next one has ended everything, in seconds. A Job that its stage
#: has deleted is created once more then, and never runs.
LATE_S = 120.0


def representatives() -> Iterator[Cell]:
    """Each action at each moment, hooks and kinds of kill in turn."""
    for row, verb in enumerate(ROWS):
        found = [cell for cell in cells() if (cell.verb, cell.hook) == (verb, "pre")]
        for column, first in enumerate(found[:: len(KINDS)]):
            hook, kind = HOOKS[(row + column) % len(HOOKS)], KINDS[(row + 2 * column) % len(KINDS)]
            yield first._replace(hook=hook, kind=kind)


# ── the rule ─────────────────────────────────────────────────────────────────────────────────────────────────────


def expected(cell: Cell) -> Promise:
    """What DESIGN §6 promises.

    Known is what is not intended yet, what is recorded, and what a controller that lives heard an answer to. All else
    is in doubt, and then it counts what the action is: performed again where that does no harm, compared with what was
    recorded where that tells, else left to an operator.
    """
    verb, is_last = ROWS[cell.verb], cell.hook == "onFailure"
    sound: End = "failed" if is_last else "Ready"
    if not _in_doubt(cell) or verb.doubt == "again":
        return Promise(verb.effects, sound)
    if verb.doubt == "compare" and _can_compare(cell) and not _made_when_looked_at(cell):
        return Promise(1, sound)
    # After a failure nothing waits for an answer: the action is passed over, and the failure stays the one shown.
    return Promise(int(_made(cell)), "failed" if is_last else "held")


def _in_doubt(cell: Cell) -> bool:
    if cell.moment in (BEFORE_INTENT, RECORDED):
        return False
    if cell.kind != LOST:
        return cell.kind.forgets
    # A lost network loses an answer; what could not be sent is known not to have been, by http and by who can look.
    return cell.moment == DURING or (cell.moment == BEFORE_EFFECT and not _can_compare(cell))


def _can_compare(cell: Cell) -> bool:
    """Whether the object can be read again while that is tried."""
    return ROWS[cell.verb].doubt != "compare" or cell.kind != LOST or OUTAGE_S + cell.delay_s < LOOKS_S


def _made(cell: Cell) -> bool:
    """Whether the effect is made in the end, if nobody performs the action again."""
    if cell.moment in (DURING, ANSWERED):
        return True
    if cell.kind == FULL_KILL:
        # What was intended goes on until the kill, except what has to record first what it is going to touch.
        return cell.moment == BEFORE_EFFECT or not ROWS[cell.verb].plans
    # A request that was on its way when the controller was stopped arrives when it goes on, if it has time left.
    in_time = LEASE_S + STANDS_S + cell.delay_s < LIMIT_S
    return cell.kind == STOP and cell.moment == BEFORE_EFFECT and in_time


def _made_when_looked_at(cell: Cell) -> bool:
    return cell.moment in (DURING, ANSWERED) or (cell.kind != STOP and _made(cell))


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Seen(NamedTuple):
    """What came of a cell."""

    promise: Promise
    #: after an operator answered what was held
    after: Promise
    #: requests that arrived, for repeatable ones more than effects
    requests: int


def play(cell: Cell) -> Seen:
    """Run a cell in a world of its own."""
    worlds: list[World] = []
    seen: list[Seen] = []

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop, seed=f"matrix/{cell}")
        worlds.append(world)
        await world.begin()
        seen.append(await _story(world, cell))
        return await finish(world)

    told(lambda: run(main), worlds, f"CELL='{cell}' {_REPEAT}")
    return seen[0]


_REPEAT = ".venv/bin/python -m pytest -q tests/simulation/test_crash_matrix.py -k one_cell"


async def _story(world: World, cell: Cell) -> Seen:
    spring = Spring(world, cell)
    world.trap = spring
    script = Script(world, two=_things(cell), three=(SHARED,))
    action = ROWS[cell.verb].make(world, ACTION)
    if cell.hook != "onFailure":
        action["scope"] = cell.scope
    script.release.stages[0]["actions"] = {cell.hook: [action]}
    script.create()
    await world.until(f"{cell}: sprung", lambda: spring.sprung, within_s=WITHIN_S)
    await asyncio.sleep(0.1)
    end = await _settled(world, cell)
    promise = Promise(world.monitor.outside.count(ACTION), end)
    after = promise
    if end == "held":
        assert answer_truthfully(world, "rel"), "held, and nothing to answer"
        await world.until(f"{cell}: ready", lambda: world.ready("rel")[0] == "True", within_s=WITHIN_S)
        after = Promise(world.monitor.outside.count(ACTION), "Ready")
    if cell.again:
        await _is_over(world, cell)
    return Seen(promise, after, len(world.monitor.outside.of(ACTION)))


def _things(cell: Cell) -> tuple[Any, ...]:
    return (DEPLOYMENT._replace(outcome="fail", after_s=0.5),) if cell.hook == "onFailure" else (SECRET,)


async def _settled(world: World, cell: Cell) -> End:
    """Wait until it is where it stays, whatever was stopped has gone on and ended, and nothing happens any more."""
    quiet_s = world.stands_s + 25
    last, since_s = ("", -1), world.loop.time()
    began_s = since_s
    while world.loop.time() - since_s < quiet_s or not _end_of(world):
        assert world.loop.time() - began_s < WITHIN_S + quiet_s, f"{cell}: {world.ready('rel')}"
        world.check()
        now = (_end_of(world), len(world.monitor.outside.deeds))
        if now != last:
            last, since_s = now, world.loop.time()
        await asyncio.sleep(1.0)
    return _end_of(world)


def _end_of(world: World) -> Any:
    status, reason, message = world.ready("rel")
    if status == "True":
        return "Ready"
    if reason != "StageFailed":
        return ""
    if held(world, "rel"):
        return "held"
    return "failed" if ": verify: " in message else ""


async def _is_over(world: World, cell: Cell) -> None:
    """Nothing of it happens again: not by a request, not by another kill."""
    before = len(world.monitor.outside.deeds)
    await world.restart()
    await asyncio.sleep(20)
    world.check()
    assert len(world.monitor.outside.deeds) == before, f"{cell}: it happened again"


class Spring:
    """The trap of a cell: springs once, at its moment."""

    def __init__(self, world: World, cell: Cell) -> None:
        self._world, self._cell = world, cell
        self._verb = ROWS[cell.verb]
        self.sprung = self._set = False
        world.outage_s += cell.delay_s
        world.stands_s += cell.delay_s
        world.down_s += cell.delay_s
        if cell.kind.then_killed_s:
            world.outage_s = cell.kind.then_killed_s + 1

    def __call__(self, line: Line, where: str, about: Any) -> Fate:
        if self.sprung or self._set or not self._is_here(where, about):
            return ""
        if self._cell.moment == DURING and not self._verb.request:
            # Nothing is requested in a wait: the moment is a time.
            self._set = True
            self._world.after(MIDDLE_S, lambda: self._world.strike(self._spring(line)))
            return ""
        return self._spring(line)

    def _spring(self, line: Line) -> Fate:
        self.sprung = True
        if self._cell.kind.then_killed_s:
            self._world.after(self._cell.kind.then_killed_s, line.cut)
        return self._cell.kind.fate

    def _is_here(self, where: str, about: Any) -> bool:
        moment, request = self._cell.moment, self._verb.request
        if moment == DURING and not request:
            moment = INTENDED
        if moment.event is not None:
            return where == moment.where and isinstance(about, Batch) and _holds(about, moment.event)
        if request == "http":
            return where == f"{moment.where} http"
        return where == f"{moment.where} {request}" and isinstance(about, Ref) and about.name.startswith(ACTION)


def _holds(batch: Batch, kind: type[e.Event]) -> bool:
    return any(isinstance(draft.event, kind) and getattr(draft.event, "action", "") == ACTION for draft in batch.drafts)
