"""REPLACE: delete what was proved to be in the way of an apply, and wait until it is gone.

Not its re-creation, which is the next apply's. A restart does it again: what is gone by then, or has another UID,
counts as gone.
"""

from __future__ import annotations

from ledger.events import Item, ReplaceFinished, ReplaceIntended
from ledger.instant import to_ms
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.replace import Obstacle, Removal, ReplaceOptions, replace_set
from reconciler.compute.inventory import ref_of_entry
from reconciler.effects import Effect
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.hands import Answer, Target
from reconciler.state import State

#: What a replacement gets at least when it is taken up again, in milliseconds.
LOOK_MS = 5_000


async def perform(tools: Tools, effect: Effect, *, target: Target, state: State) -> Answer:
    """Delete the objects of the intent."""
    intent = effect.event
    assert isinstance(intent, ReplaceIntended)
    stage = state.stages[effect.stage]
    deadline_ms = max(to_ms(intent.deadline), tools.clock.now_ms() + LOOK_MS)
    options = ReplaceOptions(
        owner=Owner(namespace=target.namespace, name=target.name),
        left_ms=lambda: deadline_ms - tools.clock.now_ms(),
    )
    versions = {item.id: item.v for item in intent.objects}
    try:
        hand = await tools.clusters.hand(target.namespace, stage.service_account, stage.kubeconfig)
        result = await replace_set(hand.cluster, [_obstacle(item) for item in intent.objects], options=options)
    except (OperationError, ClusterError) as error:
        return failed(ReplaceFinished, error)
    items = [_item(removal, versions[removal.obstacle.id]) for removal in result.removals]
    if not result.failures:
        return ok(ReplaceFinished(message=result.message, objects=items))
    event = ReplaceFinished(
        reason=result.failures[0].reason,
        message=result.message,
        retryable=result.retryable,
        evidence=result.evidence(),
        objects=items,
    )
    return Answer(event, "failed")


def _obstacle(item: Item) -> Obstacle:
    ref = ref_of_entry(item.id, version=item.v)
    assert ref is not None, "the obstacle was recorded from an object"
    return Obstacle(id=item.id, ref=ref, uid=item.uid)


def _item(removal: Removal, version: str) -> Item:
    one = removal.obstacle
    message = removal.failure.words() if removal.failure is not None else ""
    return Item(id=one.id, v=version, uid=one.uid, action=removal.fate, message=message)
