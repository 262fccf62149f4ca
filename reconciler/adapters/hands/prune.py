"""PRUNE: owned objects that are no longer rendered, or all of a stage's, each only if it is still ours."""

from __future__ import annotations

import asyncio

from ledger.events import Item, PruneFinished, PruneIntended
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.prune import PruneEntry, PruneOptions, prune_set, remaining
from reconciler.compute.inventory import entry_id, ref_of_entry
from reconciler.compute.order import ref_words, some
from reconciler.effects import Effect
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cluster, Ref
from reconciler.ports.hands import Answer, Target
from reconciler.state import State, plan_of

#: A teardown looks this often, and pauses this long in between, for what was deleted to be gone.
_LOOKS, _PAUSE_S = 30, 1.0

#: What leaves the stage's ownership, by what became of it: gone, or recorded as left to others.
_ACTIONS = {"deleted": "deleted", "gone": "gone", "kept": "released", "handed-over": "released"}


async def perform(tools: Tools, effect: Effect, *, target: Target, state: State) -> Answer:
    """Delete the objects of the intent."""
    intent = effect.event
    assert isinstance(intent, PruneIntended)
    versions = {item.id: item.v for item in intent.objects}
    refs = [ref for key, version in versions.items() if (ref := ref_of_entry(key, version=version)) is not None]
    stage = state.stages[effect.stage]
    owner = Owner(namespace=target.namespace, name=target.name)
    left: list[Ref] = []
    try:
        hand = await tools.clusters.hand(target.namespace, stage.service_account, stage.kubeconfig)
        result = await prune_set(hand.cluster, refs, options=PruneOptions(owner=owner))
        if result.ok and _is_teardown(state, effect.stage):
            left = await _terminated(hand.cluster, refs, owner=owner)
    except (OperationError, ClusterError) as error:
        return failed(PruneFinished, error)
    still = {entry_id(ref) for ref in left}
    items = [_item(entry, versions[entry.id], still=still) for entry in result.entries]
    if left:
        return Answer(_still_there(left, items), "failed")
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


def _is_teardown(state: State, stage: str) -> bool:
    return state.run is not None and plan_of(state.run, stage) is None


async def _terminated(cluster: Cluster, refs: list[Ref], *, owner: Owner) -> list[Ref]:
    """Wait a while until nothing is left, so that the stage before goes after this one; what is left then."""
    left = refs
    for _ in range(_LOOKS):
        left = await remaining(cluster, left, owner=owner)
        if not left:
            break
        await asyncio.sleep(_PAUSE_S)
    return left


def _still_there(left: list[Ref], items: list[Item]) -> PruneFinished:
    named = some([ref_words(ref) for ref in left], items_max=5)
    message = f"deleted and still there, kept by finalizers or by what runs in them: {named}; look at their finalizers"
    return PruneFinished(reason="Terminating", message=message, retryable=True, objects=items)


def _item(entry: PruneEntry, version: str, *, still: set[str]) -> Item:
    action = "terminating" if entry.id in still else _ACTIONS.get(entry.result, entry.result)
    message = entry.failure.words() if entry.failure else entry.reason
    return Item(id=entry.id, v=version, uid=entry.uid, action=action, message=message)
