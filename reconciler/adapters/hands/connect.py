"""CONNECT: does the target cluster answer, and does it accept who we are? What of ours is there?"""

from __future__ import annotations

from msgspec.structs import replace

from ledger.events import ConnectFinished, ConnectIntended, Item
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.compute.denials import impersonation
from reconciler.compute.inventory import ref_of_entry
from reconciler.effects import Effect
from reconciler.errors import ClusterError, Forbidden, NoAccount, NotFound, OperationError
from reconciler.ports.cluster import Cluster
from reconciler.ports.hands import Answer, Target


async def perform(tools: Tools, effect: Effect, *, target: Target) -> Answer:
    """Ask the API server for its version as the stage's identity; a kubeconfig is read anew."""
    intent = effect.event
    assert isinstance(intent, ConnectIntended)
    account = intent.service_account
    try:
        hand = await tools.clusters.hand(target.namespace, account, intent.kubeconfig, anew=True)
        version = await hand.cluster.version()
    except NoAccount as error:
        return failed(ConnectFinished, OperationError(error.message, reason="NotFound", retryable=True))
    except Forbidden as error:
        message = impersonation(error.message, namespace=target.namespace, service_account=account)
        if intent.kubeconfig and not account:
            message += "; without a serviceAccountName the kubeconfig is read as the controller itself: name one"
        return failed(ConnectFinished, Forbidden(message, status=error.status))
    except (OperationError, ClusterError) as error:
        return failed(ConnectFinished, error)
    found = ConnectFinished(
        server=version.get("gitVersion", ""),
        anchors=await _looked_at(hand.cluster, intent.anchors),
        owned=await _looked_at(hand.cluster, intent.owned),
    )
    return ok(found)


async def _looked_at(cluster: Cluster, items: list[Item]) -> list[Item]:
    """What became of objects that were recorded. One that cannot be read proves nothing, and stays."""
    found: list[Item] = []
    for item in items:
        ref = ref_of_entry(item.id, version=item.v)
        assert ref is not None, "it was recorded from an object"
        try:
            uid, action = (await cluster.get(ref))["metadata"]["uid"], "found"
        except NotFound:
            uid, action = "", "gone"
        except ClusterError as error:
            found.append(replace(item, action="unreadable", message=error.message))
            continue
        found.append(replace(item, uid=uid, action=action))
    return found
