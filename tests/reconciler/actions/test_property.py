"""Whatever happens in whatever order: what is done stays done, what is in doubt is not repeated, and folds agree."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import events as e
from ledger.instant import to_text
from reconciler.plan import plan
from reconciler.state import State
from tests.reconciler.actions.acting import Acted, http, job, wait, with_actions

STAGES = (
    with_actions(
        "db", pre=[http("a", retries=1), job("b")], post=[http("c", scope="Lifetime")], on_failure=[http("d")]
    ),
    with_actions("app", pre=[wait("e"), http("f", scope="Lifetime", retries=2)], post=[http("g")]),
)
_LIKELY = {"ok": 45, "fail": 4, "doubt": 5, "time": 5, "v2": 3, "retry": 2}
_RARE = ("refuse", "v1", "request", "spec", "suspend", "done", "not-done", "again", "reset", "adopt")
MOVES = st.sampled_from([*(move for move, weight in _LIKELY.items() for _ in range(weight)), *_RARE])


def _open(stream: Acted, trigger: e.Trigger, revision: str) -> None:
    deleting = stream.state.deleting or stream.state.suspended
    if not deleting:
        stream.start(*STAGES, trigger=trigger, revision=revision, generation=1 + (trigger == "spec"))


def _answer(stream: Acted, move: str) -> None:
    pending = stream.state.pending
    if pending is None:
        return
    if move == "ok":
        stream.answer()
    elif move == "doubt" and isinstance(pending.event, e.ActionIntended):
        stream.doubt()
    elif move == "refuse" and isinstance(pending.event, e.ActionIntended):
        event = e.ActionFinished(hook=pending.event.hook, action=pending.event.action, reason="Forbidden", message="no")
        stream.answer(event, outcome="refused")
    elif move == "fail":
        stream.fail()


def _move(stream: Acted, move: str) -> None:
    state = stream.state
    held = next(((act.stage, act.name) for act in state.acts.values() if act.doubt), None)
    match move:
        case "ok" | "fail" | "refuse" | "doubt":
            _answer(stream, move)
        case "time":
            due = plan(state).wake_ms
            if due:
                stream.now_ms = max(due, stream.now_ms)
                if not state.resting:
                    stream.fact(e.TimerFired(timer="action", due=to_text(due)))
        case "v1" | "v2":
            _open(stream, "snapshot", move)
        case "request" | "spec" | "retry":
            _open(stream, move, "v1")
        case "suspend":
            stream.fact(e.OperatorResumed() if state.suspended else e.OperatorSuspended())
        case "done" | "not-done" if held is not None:
            answer = "done" if move == "done" else "not-done"
            stream.fact(e.OperatorResolved(action=held[1], answer=answer, reason="r"), stage=held[0])
        case "again":
            stream.fact(e.OperatorRequested(request="reconcile-stage", token=f"db@{state.version}"))
        case "reset":
            stream.fact(e.OperatorRequested(request="reset-ledger", token=f"app/f@{state.version}"))
        case "adopt":
            shown = e.StageShown(name="db", executed=["a"], executed_revision="v1")
            stream.fact(e.StageSetAdopted(shown_version=state.version + 9, shown_head="", why="w", stages=[shown]))


def _check(stream: Acted) -> None:
    """By the records alone, not by the state: after a good answer or a doubt no intent follows under that key."""
    over: dict[str, str] = {}
    intents: Counter[str] = Counter()
    for one in stream.entries:
        if isinstance(one.event, e.ActionIntended):
            intents[one.idem] += 1
            assert one.idem not in over, f"{one.event.action} was intended again after {over[one.idem]}"
        elif isinstance(one.event, e.ActionFinished) and one.outcome in {"ok", "indeterminate"}:
            over[one.idem] = one.outcome
        elif isinstance(one.event, e.OperatorResolved) and one.event.answer == "not-done":
            over = {key: value for key, value in over.items() if value == "ok"}


@settings(max_examples=300, deadline=None)
@given(st.lists(MOVES, min_size=50, max_size=150))
def test_no_order_of_events_performs_an_action_twice(moves):
    stream = Acted()
    stream.start(*STAGES)
    for move in moves:
        _move(stream, move)
    _check(stream)
    assert stream.refold() == stream.state
    assert isinstance(stream.state, State)
