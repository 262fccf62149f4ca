"""DELETE: one object by name, with the UID that was recorded before; what is not there is deleted.

Not a wait for its finalizers. Invariant: only the very object whose UID was recorded is deleted; one that came to its
name meanwhile is left alone.
"""

from __future__ import annotations

from msgspec.structs import replace

from ledger.events import Item
from reconciler import errors
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_look import read, refusal
from reconciler.adapters.hands.actions.targets import item_of, located
from reconciler.adapters.hands.actions.timing import check_time
from reconciler.compute.fields import text
from reconciler.compute.inventory import entry_id
from reconciler.compute.order import ref_words
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Object, Ref
from reconciler.ports.hands import Answer


async def perform(acting: Acting) -> Answer:
    """Delete the target, or see that it is gone."""
    part = acting.action.delete
    assert part is not None, "a delete action has a delete"
    try:
        ref = await located(acting, part.target, field="delete.target")
        return await _deleted(acting, ref)
    except OperationError as error:
        return acting.failed(error)


async def _deleted(acting: Acting, ref: Ref) -> Answer:
    item = acting.newest().get(entry_id(ref))
    live = await read(acting.hand.cluster, ref)
    if item is not None and item.action == "planned":
        if _is_gone(live, item):
            return _gone(acting, ref, item)
    elif live is None:
        absent = Item(id=entry_id(ref), v=ref.api_version.rpartition("/")[2], action="gone")
        return acting.done(message=f"{ref_words(ref)} does not exist", objects=[absent])
    else:
        check_time(acting, f"{ref_words(ref)} was deleted")
        item = item_of(ref, live, action="planned")
        await acting.report([item], "")
    return await _delete(acting, ref, item)


async def _delete(acting: Acting, ref: Ref, item: Item) -> Answer:
    assert acting.action.delete is not None
    try:
        await acting.hand.cluster.delete(ref, uid=item.uid, cascade=acting.action.delete.cascade or "Background")
    except errors.NotFound:
        return _gone(acting, ref, item)
    except (errors.Unavailable, errors.Conflict) as error:
        # The answer was lost, or another object has the name: looking tells.
        live = await read(acting.hand.cluster, ref)
        if _is_gone(live, item) or text(live, "metadata", "deletionTimestamp"):
            return _gone(acting, ref, item)
        # It may still arrive: what is planned stays so, and a later try does not touch another object.
        return acting.failed(refusal(error, ref), objects=[item])
    except ClusterError as error:
        return acting.failed(refusal(error, ref), objects=[replace(item, action="failed")])
    return acting.done(message=f"{ref_words(ref)} deleted", objects=[replace(item, action="deleted")])


def _is_gone(live: Object | None, item: Item) -> bool:
    return live is None or text(live, "metadata", "uid") != item.uid


def _gone(acting: Acting, ref: Ref, item: Item) -> Answer:
    message = f"{ref_words(ref)} (UID {item.uid}) is deleted"
    return acting.done(message=message, objects=[replace(item, action="deleted")])
