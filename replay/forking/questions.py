"""What a run asks the world, told apart: two questions are one where the world was asked for the very same thing.

Not the answers. A question covers what its answer depends on beside the world: the intent without its deadline, and the
part of the spec that the hand reads. Invariant: what is not known to be the same question is another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ledger import events as e
from reconciler import digests
from reconciler.api import defaults
from reconciler.api.types import Action, StageSetSpec
from reconciler.compute.urlguard import display
from reconciler.state import Pending, State, run_of

#: Fields of a stage that a build reads, and those that an apply reads.
_BUILD = ("path", "patches", "postBuild")
_APPLY = ("force", "conflictPolicy")
#: Fields of an action that only say how long, and how often.
_PATIENCE = ("timeout", "retries")


def question(state: State) -> str:
    """Identity of what is pending."""
    pending = pending_of(state)
    event: dict[str, Any] = msgspec.to_builtins(pending.event)
    event.pop("deadline", None)
    return digests.of([pending.operation, event, *_context(state, pending)])


def _context(state: State, pending: Pending) -> list[Any]:
    run = run_of(state)
    stage: dict[str, Any] = next((one for one in run.spec.get("stages", ()) if one.get("name") == pending.stage), {})
    match pending.operation:
        case "connect" | "fetch":
            return []
        case "build":
            account = run.spec.get("serviceAccountName", "")
            return [pending.stage, account, *(stage.get(name) for name in _BUILD)]
        case "apply" | "replace":
            return [pending.stage, *(stage.get(name) for name in _APPLY)]
        case "verify":
            checks = {key: value for key, value in (stage.get("readyChecks") or {}).items() if key != "timeout"}
            return [pending.stage, checks, run.renders[pending.stage].manifests]
        case "action":
            return [pending.stage, pending.key, _without_patience(msgspec.to_builtins(action_of(state)))]
    return [pending.stage]


def _without_patience(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_patience(inner) for key, inner in value.items() if key not in _PATIENCE}
    return value


def pending_of(state: State) -> Pending:
    """What is pending."""
    assert state.pending is not None, "something is pending"
    return state.pending


def action_of(state: State) -> Action:
    """The action that is pending."""
    pending = pending_of(state)
    assert isinstance(pending.event, e.ActionIntended)
    wanted = (pending.event.hook, pending.event.action)
    spec = msgspec.convert(run_of(state).spec, StageSetSpec)
    stage = next(one for one in spec.stages if one.name == pending.stage)
    return next(action for hook, action in defaults.actions(stage) if (hook, action.name) == wanted)


def asked(state: State) -> str:
    """What is pending as a question to whoever knows."""
    pending = pending_of(state)
    return _WORDS[pending.operation](state, pending)


def _connect(state: State, pending: Pending) -> str:
    event = pending.event
    assert isinstance(event, e.ConnectIntended)
    who = f"ServiceAccount {event.service_account}" if event.service_account else "the controller"
    return f"what does the cluster answer when stage {pending.stage} connects as {who}?"


def _fetch(state: State, pending: Pending) -> str:
    event = pending.event
    assert isinstance(event, e.FetchIntended)
    return f"what does {display(event.pin.url)} answer?"


def _build(state: State, pending: Pending) -> str:
    return f"what does stage {pending.stage} render to?"


def _apply(state: State, pending: Pending) -> str:
    event = pending.event
    assert isinstance(event, e.ApplyIntended)
    return f"what does the API server answer to the apply of {_objects(event.objects)} of stage {pending.stage}?"


def _verify(state: State, pending: Pending) -> str:
    event = pending.event
    assert isinstance(event, e.VerifyIntended)
    count = len(run_of(state).renders[pending.stage].versions)
    return f"is all of stage {pending.stage} ({_objects(count)}) ready before {event.deadline}?"


def _gone(state: State, pending: Pending) -> str:
    count = len(getattr(pending.event, "objects", ()))
    return f"what does the API server answer to the deletion of {_objects(count)} of stage {pending.stage}?"


def _action(state: State, pending: Pending) -> str:
    action = action_of(state)
    if action.http is not None:
        method = action.http.method or "POST"
        return f"what does {display(action.http.url)} answer to the {method} of action {action.name}?"
    return f"what comes of the {defaults.verb(action)} action {action.name} of stage {pending.stage}?"


def _objects(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


_WORDS: dict[str, Callable[[State, Pending], str]] = {
    "connect": _connect,
    "fetch": _fetch,
    "build": _build,
    "apply": _apply,
    "replace": _gone,
    "verify": _verify,
    "prune": _gone,
    "action": _action,
}
