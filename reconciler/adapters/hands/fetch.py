"""FETCH: the pinned artifact becomes a blob of the ledger, once; from then on its server is not needed."""

from __future__ import annotations

from ledger.events import FetchFinished, FetchIntended
from reconciler.adapters.hands.tools import Tools, failed, ok
from reconciler.effects import Effect
from reconciler.errors import OperationError
from reconciler.ports.hands import Answer


async def perform(tools: Tools, effect: Effect) -> Answer:
    """Fetch over HTTP, unless the artifact is kept from before."""
    intent = effect.event
    assert isinstance(intent, FetchIntended)
    pin = intent.pin
    kept = await tools.journal.get_blob(pin.digest)
    if kept is not None:
        return ok(FetchFinished(size_bytes=len(kept), kept=True), blobs=(pin.digest,))
    try:
        body = await tools.fetcher.fetch(tools.address(pin), pin.digest)
    except OperationError as error:
        return failed(FetchFinished, error)
    return ok(FetchFinished(size_bytes=len(body)), blobs=(await tools.journal.put_blob(body),))
