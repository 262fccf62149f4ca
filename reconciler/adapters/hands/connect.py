"""CONNECT: does the target cluster answer, and does it accept who we are?"""

from __future__ import annotations

from ledger.events import ConnectFinished, ConnectIntended
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.effects import Effect
from reconciler.errors import ClusterError, NotFound, OperationError
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
    return ok(ConnectFinished(server=version.get("gitVersion", "")))
