"""APPLY: the rendered objects, server-side, as the stage's identity. One PATCH for each that changes."""

from __future__ import annotations

from ledger.events import ApplyFinished, ApplyIntended, Item
from reconciler.adapters.hands.tools import Tools, Wire, failed, ok
from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.results import Known, ObjectResult
from reconciler.effects import Effect
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.hands import Answer, Target
from reconciler.state import State


async def perform(tools: Tools, effect: Effect, *, target: Target, state: State, wire: Wire | Answer) -> Answer:
    """Apply what was built for this intent."""
    intent = effect.event
    assert isinstance(intent, ApplyIntended)
    if isinstance(wire, Answer):
        event = wire.event
        return failed(
            ApplyFinished, OperationError(event.message, reason=event.reason, retryable=True, evidence=event.evidence)
        )
    if wire.manifests != intent.manifests:
        changed = "a ConfigMap or Secret that the manifests take values from changed since they were built"
        return failed(ApplyFinished, OperationError(changed, reason="InputsChanged", retryable=True))
    stage = state.stages[effect.stage]
    hand = tools.clusters.hand(target.namespace, stage.service_account)
    known = {
        key: Known(digest=owned.digest, uid=owned.uid, resource_version=owned.rv, generation=owned.generation or None)
        for key, owned in stage.owned.items()
        if owned.uid
    }
    options = ApplyOptions(owner=Owner(namespace=target.namespace, name=target.name), known=known, scrub=wire.scrub)
    try:
        result = await apply_set(hand.cluster, wire.objects, options=options)
    except ClusterError as error:
        return failed(ApplyFinished, error)
    items = [_item(one) for one in result.results]
    if result.ok:
        return ok(ApplyFinished(message=result.message, objects=items))
    event = ApplyFinished(
        reason=result.reason,
        message=result.message,
        retryable=result.retryable,
        evidence=result.evidence(),
        objects=items,
    )
    return Answer(event, "failed")


def _item(one: ObjectResult) -> Item:
    return Item(
        id=one.id,
        v=one.ref.api_version.rpartition("/")[2],
        uid=one.uid,
        rv=one.resource_version,
        generation=one.generation or 0,
        digest=one.digest,
        action=one.action,
        message=one.failure.words() if one.failure else "",
    )
