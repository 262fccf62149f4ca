"""PRUNE: owned objects that are no longer rendered, or all of a stage's, each only if it is still ours."""

from __future__ import annotations

from ledger.events import Item, PruneFinished, PruneIntended
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.prune import PruneEntry, PruneOptions, prune_set
from reconciler.compute.inventory import ref_of_entry
from reconciler.effects import Effect
from reconciler.errors import ClusterError
from reconciler.ports.hands import Answer, Target
from reconciler.state import State

#: What leaves the stage's ownership, by what became of it: gone, or recorded as left to others.
_ACTIONS = {"deleted": "deleted", "gone": "gone", "kept": "released", "handed-over": "released"}


async def perform(tools: Tools, effect: Effect, *, target: Target, state: State) -> Answer:
    """Delete the objects of the intent."""
    intent = effect.event
    assert isinstance(intent, PruneIntended)
    versions = {item.id: item.v for item in intent.objects}
    refs = [ref for key, version in versions.items() if (ref := ref_of_entry(key, version=version)) is not None]
    hand = tools.clusters.hand(target.namespace, state.stages[effect.stage].service_account)
    options = PruneOptions(owner=Owner(namespace=target.namespace, name=target.name))
    try:
        result = await prune_set(hand.cluster, refs, options=options)
    except ClusterError as error:
        return failed(PruneFinished, error)
    items = [_item(entry, versions[entry.id]) for entry in result.entries]
    if result.ok:
        return ok(PruneFinished(message=result.message, objects=items))
    event = PruneFinished(
        reason=result.reason,
        message=result.message,
        retryable=result.retryable,
        evidence=result.evidence(),
        objects=items,
    )
    return Answer(event, "failed")


def _item(entry: PruneEntry, version: str) -> Item:
    action = _ACTIONS.get(entry.result, entry.result)
    message = entry.failure.words() if entry.failure else entry.reason
    return Item(id=entry.id, v=version, uid=entry.uid, action=action, message=message)
