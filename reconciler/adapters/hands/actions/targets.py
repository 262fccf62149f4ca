"""The one object that an action names, as the cluster knows its kind.

Not a look at the object: whether it exists is the verb's business.
"""

from __future__ import annotations

from ledger.events import Item
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.actions.job_look import refusal
from reconciler.adapters.operations.verify import resolve_checks
from reconciler.api.types.references import ObjectReference
from reconciler.compute.fields import text, whole
from reconciler.compute.inventory import entry_id
from reconciler.errors import ClusterError, NoSuchKind, OperationError
from reconciler.ports.cluster import Object, Ref


async def located(acting: Acting, target: ObjectReference, *, field: str) -> Ref:
    """The reference of a target: in the StageSet's namespace where it names none, in none where its kind has none.

    `field` is where it stands in the action. Raises `OperationError`.
    """
    if not target.name:
        raise OperationError(f"{field}.name is empty: name the object", reason="InvalidAction", retryable=False)
    return await located_kind(acting, target, field=field)


async def located_kind(acting: Acting, target: ObjectReference, *, field: str) -> Ref:
    """As `located`, where the name may be empty."""
    cluster = acting.hand.cluster
    (ref,) = await resolve_checks(cluster, [target], namespace=acting.target.namespace)
    try:
        namespaced = (await cluster.resource(ref.api_version, ref.kind)).namespaced
    except NoSuchKind:
        raise OperationError(
            f"{field}: the cluster has no kind {ref.kind} in {ref.api_version}: correct apiVersion and kind, or "
            "install its CustomResourceDefinition before",
            reason="NoSuchKind",
            retryable=True,
        ) from None
    except ClusterError as error:
        raise refusal(error, ref) from error
    return ref._replace(namespace=(target.namespace or acting.target.namespace) if namespaced else "")


def item_of(ref: Ref, live: Object, *, action: str) -> Item:
    """What is recorded of a live object."""
    return Item(
        id=entry_id(ref),
        v=ref.api_version.rpartition("/")[2],
        uid=text(live, "metadata", "uid"),
        rv=text(live, "metadata", "resourceVersion"),
        generation=whole(live, "metadata", "generation") or 0,
        action=action,
    )
