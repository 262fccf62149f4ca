"""ACTION: choose the verb, give it what is known of earlier tries, and see the witness of what is done for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec.structs import replace

from ledger.events import ActionFinished, ActionIntended, ActionObserved, Item
from ledger.instant import to_ms
from reconciler.actions.deciding import unended
from reconciler.actions.records import action_plan
from reconciler.adapters.hands.actions import apply, delete, http, job, patch, wait
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.tools import Tools, failed, stage_of
from reconciler.api import defaults
from reconciler.api.types import Action, CompletionAnchor, StageSetSpec
from reconciler.compute.inventory import entry_id
from reconciler.errors import ClusterError, NotFound, OperationError
from reconciler.ports.cluster import Ref
from reconciler.ports.hands import Answer, Order
from reconciler.state import Run, State

Verb = Callable[[Acting], Awaitable[Answer]]
#: The action took effect; only its witness was missing.
PERFORMED = "performed"
VERBS: dict[str, Verb] = {
    "patch": patch.perform,
    "http": http.perform,
    "wait": wait.perform,
    "job": job.perform,
    "delete": delete.perform,
    "apply": apply.perform,
}


async def perform(tools: Tools, order: Order) -> Answer:
    """Perform an action, or look for what became of it."""
    try:
        acting = await _acting(tools, order)
    except (OperationError, ClusterError) as error:
        intent = order.effect.event
        assert isinstance(intent, ActionIntended)
        return failed(ActionFinished, error, hook=intent.hook, action=intent.action)
    performed = [item for item in acting.seen if item.action == PERFORMED]
    verb = defaults.verb(acting.action)
    answer = acting.done(message="performed before") if performed else await VERBS[verb](acting)
    if answer.outcome != "ok" or acting.action.completion_anchor is None:
        return answer
    return await _witnessed(acting, acting.action.completion_anchor, answer)


def expression(order: Order) -> str:
    """The expression that an action judges an object by; empty without one."""
    intent, run = order.effect.event, order.state.run
    assert isinstance(intent, ActionIntended)
    assert run is not None, "an action is performed in a run"
    wait = _action(run, msgspec.convert(run.spec, StageSetSpec), order.effect.stage, intent).wait
    return wait.expr if wait is not None else ""


async def _acting(tools: Tools, order: Order) -> Acting:
    """What the verb is given. Raises what `Clusters.hand` raises where the target cluster cannot be reached at all."""
    effect, target, state = order.effect, order.target, order.state
    intent, run = effect.event, state.run
    assert isinstance(intent, ActionIntended)
    assert run is not None, "an action is performed in a run"
    spec = msgspec.convert(run.spec, StageSetSpec)
    stage = stage_of(spec, effect.stage)
    plan = action_plan(run, effect.key)
    assert plan is not None, "an action of the run"

    async def report(items: Sequence[Item], message: str) -> None:
        await order.report(ActionObserved(action=intent.action, objects=list(items), message=message))

    action = _action(run, spec, effect.stage, intent)
    account = defaults.service_account(spec, stage)
    # A request that may have been sent must be told of whether or not the target cluster can be reached.
    elsewhere = "" if defaults.verb(action) == "http" else defaults.kubeconfig(spec)
    return Acting(
        tools=tools,
        target=target,
        spec=spec,
        stage=effect.stage,
        hook=intent.hook,
        action=action,
        key=effect.key,
        pin=plan.pin,
        first=effect.first,
        seen=tuple(state.acts[effect.key].objects.values()),
        earlier=_earlier(state, effect.stage, intent.action, effect.key),
        deadline_ms=to_ms(intent.deadline) if intent.deadline else 0,
        hand=await tools.clusters.hand(target.namespace, account, elsewhere),
        report=report,
    )


def _action(run: Run, spec: StageSetSpec, stage: str, intent: ActionIntended) -> Action:
    found = defaults.actions(stage_of(spec, stage))
    return next(action for hook, action in found if (hook, action.name) == (intent.hook, intent.action))


def _earlier(state: State, stage: str, action: str, key: str) -> tuple[Item, ...]:
    """What the same action made for an older snapshot, and whose end was never seen."""
    return tuple(
        item
        for other, act in state.acts.items()
        if other != key and (act.stage, act.name) == (stage, action)
        for item in act.objects.values()
        if unended(item)
    )


def anchor_ref(anchor: CompletionAnchor, *, namespace: str) -> Ref:
    """The witness of a completion; it is in the StageSet's namespace, or cluster-scoped."""
    return Ref(anchor.api_version, anchor.kind, namespace, anchor.name)


async def _witnessed(acting: Acting, anchor: CompletionAnchor, answer: Answer) -> Answer:
    """The answer with its witness; without one the action counts as failed, but is not performed again for it."""
    try:
        account = defaults.service_account(acting.spec, stage_of(acting.spec, acting.stage))
        kubeconfig = defaults.kubeconfig(acting.spec)
        cluster = (await acting.tools.clusters.hand(acting.target.namespace, account, kubeconfig)).cluster
        ref = anchor_ref(anchor, namespace=acting.target.namespace)
        resource = await cluster.resource(ref.api_version, ref.kind)
        ref = ref if resource.namespaced else ref._replace(namespace="")
        found = await cluster.get(ref)
    except (OperationError, ClusterError) as error:
        return _unwitnessed(acting, anchor, answer, error)
    item = Item(id=entry_id(ref), v=ref.api_version.rpartition("/")[2], uid=found["metadata"]["uid"])
    assert isinstance(answer.event, ActionFinished)
    return answer._replace(event=replace(answer.event, anchor=item))


def _unwitnessed(
    acting: Acting, anchor: CompletionAnchor, answer: Answer, error: OperationError | ClusterError
) -> Answer:
    what = "does not exist" if isinstance(error, NotFound) else f"cannot be read: {error.message}"
    message = (
        f"it ended well, but its completionAnchor {anchor.kind}/{anchor.name} {what}; it is looked for again with the "
        "next try, and the action is not repeated: create the object, or correct completionAnchor"
    )
    assert isinstance(answer.event, ActionFinished)
    mark = Item(id=f"__{acting.action.name}_", v="v1", action=PERFORMED)
    problem = OperationError(message, reason="AnchorMissing", retryable=True)
    return acting.failed(problem, objects=[*answer.event.objects, mark], blobs=answer.blobs)
