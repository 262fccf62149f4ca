"""The actions of a stage as a run sees them: their identities, bounds and pins."""

from __future__ import annotations

from collections.abc import Iterable

from ledger import events as e
from reconciler import digests
from reconciler.api import defaults
from reconciler.api.types import Action, Stage
from reconciler.state import ActionPlan, State, completion_key


def plans_of(state: State, stage: Stage, pins: Iterable[e.Pin]) -> tuple[ActionPlan, ...]:
    """The actions of a stage in a run that begins with these pins: pre, post, onFailure, each in its order."""
    mine = [pin for pin in pins if pin.stage == stage.name]
    digest = digests.stage_digest(stage.name, mine)
    by_action = {pin.action: pin for pin in mine if pin.action}
    return tuple(
        ActionPlan(
            name=action.name,
            hook=hook,
            verb=defaults.verb(action),
            scope=action.scope or "Revision",
            key=_key(state, stage.name, hook, action, digest),
            retries=action.retries,
            timeout_ms=defaults.action_timeout_ms(action),
            bound_ms=defaults.action_bound_ms(action),
            pin=by_action.get(action.name),
            repeatable=defaults.repeatable(action),
        )
        for hook, action in defaults.actions(stage)
    )


def _key(state: State, stage: str, hook: e.Hook, action: Action, digest: str) -> str:
    if action.scope == "Lifetime":
        # Revoked and performed again, it is another deed: a server that knows the old key must not wave it through.
        scope = f"Lifetime/{state.revoked.get(completion_key(stage, action.name), 0)}"
    else:
        again = state.reopened.get(stage)
        scope = digest + (f"/{again.token}" if again is not None and again.digest == digest else "")
    return digests.action_key(state.stream, stage, hook, action.name, scope)
