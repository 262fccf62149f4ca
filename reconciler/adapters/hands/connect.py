"""CONNECT: does the target cluster answer, and does it accept who we are?"""

from __future__ import annotations

from msgspec.structs import replace

from ledger.events import ConnectFinished, ConnectIntended, Item
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.compute.inventory import ref_of_entry
from reconciler.effects import Effect
from reconciler.errors import ClusterError, NotFound, OperationError
from reconciler.ports.cluster import Cluster
from reconciler.ports.hands import Answer, Target


async def perform(tools: Tools, effect: Effect, *, target: Target) -> Answer:
    """Ask the API server for its version as the stage's identity."""
    intent = effect.event
    assert isinstance(intent, ConnectIntended)
    account = intent.service_account
    try:
        version = await tools.clusters.hand(target.namespace, account).cluster.version()
    except NotFound as error:
        if not account:
            return failed(ConnectFinished, error)
        missing = (
            f"ServiceAccount {target.namespace}/{account} does not exist: create it, or correct serviceAccountName"
        )
        return failed(ConnectFinished, OperationError(missing, reason="NotFound", retryable=True))
    except ClusterError as error:
        return failed(ConnectFinished, error)
    anchors = await _looked_at(tools.clusters.hand(target.namespace, account).cluster, intent.anchors)
    return ok(ConnectFinished(server=version.get("gitVersion", ""), anchors=anchors))


async def _looked_at(cluster: Cluster, anchors: list[Item]) -> list[Item]:
    """What became of the witnesses of completed actions. One that cannot be read proves nothing, and stays."""
    found: list[Item] = []
    for anchor in anchors:
        ref = ref_of_entry(anchor.id, version=anchor.v)
        assert ref is not None, "the witness was recorded from an object"
        try:
            uid, action = (await cluster.get(ref))["metadata"]["uid"], "found"
        except NotFound:
            uid, action = "", "gone"
        except ClusterError as error:
            found.append(replace(anchor, action="unreadable", message=error.message))
            continue
        found.append(replace(anchor, uid=uid, action=action))
    return found
