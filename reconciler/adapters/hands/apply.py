"""APPLY: the rendered objects, server-side, as the stage's identity. One PATCH for each that changes.

Deletes nothing: what is in the way, and may be replaced by the stage's policy, is only named.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec

from ledger.events import ApplyFinished, ApplyIntended, Item
from reconciler.adapters.hands.sparing import spared
from reconciler.adapters.hands.tools import Tools, Wire, failed, ok, stage_of
from reconciler.adapters.operations.apply import ApplyOptions, apply_set
from reconciler.adapters.operations.claims import Claims
from reconciler.adapters.operations.existing import Owner
from reconciler.adapters.operations.results import Known, ObjectResult
from reconciler.api.types import StageSetSpec
from reconciler.compute.conflicts import choice_of
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.hands import Answer, Order


async def perform(tools: Tools, order: Order, *, wire: Wire | Answer, claims: Claims) -> Answer:
    """Apply what was built for this intent."""
    intent, target, stage = order.effect.event, order.target, order.state.stages[order.effect.stage]
    assert isinstance(intent, ApplyIntended)
    if isinstance(wire, Answer):
        event = wire.event
        return failed(
            ApplyFinished, OperationError(event.message, reason=event.reason, retryable=True, evidence=event.evidence)
        )
    if wire.manifests != intent.manifests:
        changed = "a ConfigMap or Secret that the manifests take values from changed since they were built"
        return failed(ApplyFinished, OperationError(changed, reason="InputsChanged", retryable=True))
    try:
        hand = await tools.clusters.hand(target.namespace, stage.service_account, stage.kubeconfig)
        left = await spared(hand.cluster, wire, state=order.state, stage=order.effect.stage)
        options = replace(_options(order, wire, claims=claims), live=left.live)
        result = await apply_set(hand.cluster, left.objects, options=options)
    except (OperationError, ClusterError) as error:
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
        replace=[msgspec.structs.replace(_item(one), uid=one.obstacle) for one in result.obstacles],
    )
    return Answer(event, "failed")


def _options(order: Order, wire: Wire, *, claims: Claims) -> ApplyOptions:
    run, state, target = order.state.run, order.state.stages[order.effect.stage], order.target
    assert run is not None, "a stage is applied in a run"
    stage = stage_of(msgspec.convert(run.spec, StageSetSpec), order.effect.stage)
    owner = Owner(namespace=target.namespace, name=target.name)
    # The same cluster may be reached in two ways: then the labels of what is there tell, a moment later.
    cluster = f"{target.namespace}/{state.kubeconfig}" if state.kubeconfig else ""
    known = {
        key: Known(digest=owned.digest, uid=owned.uid, resource_version=owned.rv, generation=owned.generation or None)
        for key, owned in state.owned.items()
        if owned.uid
    }
    return ApplyOptions(
        owner=owner,
        known=known,
        scrub=wire.scrub,
        choose=lambda placed: choice_of(stage, placed.manifest.obj, ref=placed.ref),
        claim=partial(claims.held, cluster=cluster, owner=owner),
    )


def _item(one: ObjectResult) -> Item:
    return Item(
        id=one.id,
        v=one.ref.api_version.rpartition("/")[2],
        uid=one.uid,
        rv=one.resource_version,
        generation=one.generation or 0,
        digest=one.digest,
        action=one.action,
        message=one.words(),
    )
