"""The objects of an artifact that an action uses: built, substituted as the stage's, and recorded without secrets.

Not their way to the cluster, and no stage patches. Invariant: secret values are in `Made.wire` alone, which stays in
memory.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.events import Pin
from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.build import kustomized, possible, substituted
from reconciler.adapters.operations.failures import Scrub
from reconciler.adapters.operations.manifests import Manifest
from reconciler.api import names
from reconciler.compute.fields import mapping, text
from reconciler.compute.manifests import canonical, object_digest
from reconciler.compute.order import stamped
from reconciler.errors import OperationError
from reconciler.ports.cluster import Object, Ref


class Made(NamedTuple):
    """One object, in its namespace (the StageSet's by default; none for cluster-scoped kinds), with owner labels."""

    ref: Ref
    #: with real values
    wire: Object
    #: as it may be recorded: values of Secrets as tokens
    record: Object

    @property
    def manifest(self) -> Manifest:
        """As it is applied, with the digest of its record."""
        return Manifest(obj=self.wire, digest=object_digest(self.record))


class ActionObjects(NamedTuple):
    """What an artifact holds for an action, in the order of the build."""

    objects: tuple[Made, ...]
    #: the artifact and the recorded form: what the answer refers to
    blobs: tuple[str, ...]
    #: takes secret values out of texts
    scrub: Scrub


async def rendered(acting: Acting, *, path: str) -> ActionObjects:
    """The objects of `acting.pin` at `path`, as the stage's identity sees their kinds.

    Raises `OperationError` and `ClusterError` leaves: everything that a user can cause; `acting.failed` takes both.
    """
    assert acting.pin is not None, "the artifact of an action is pinned with its run"
    target, body = acting.target, await _artifact(acting, acting.pin)
    try:
        found = await substituted(acting.tools, acting, await kustomized(acting.tools, body, path=path))
    except OperationError as error:
        # What could not be rendered belongs to the answer, so that it can be looked at.
        error.evidence = {"artifact": acting.pin.digest, **error.evidence}
        raise
    labels = names.owner_labels(namespace=target.namespace, name=target.name)
    manifests = [
        Manifest(obj=_at_home(stamped(one.wire, labels=labels), namespace=target.namespace), digest="")
        for one in found.objects
    ]
    places = await possible(acting.hand.cluster, manifests, scrub=found.scrub)
    objects = tuple(
        Made(place.ref, place.manifest.obj, _placed(stamped(one.record, labels=labels), namespace=place.ref.namespace))
        for one, place in zip(found.objects, places, strict=True)
    )
    record = await acting.tools.journal.put_blob(canonical([one.record for one in objects]))
    return ActionObjects(objects, (acting.pin.digest, record), found.scrub)


async def _artifact(acting: Acting, pin: Pin) -> bytes:
    """From the ledger, else from its server and into the ledger: a later try, and a replay, must find the same."""
    journal = acting.tools.journal
    kept = await journal.get_blob(pin.digest)
    if kept is not None:
        return kept
    body = await acting.tools.fetcher.fetch(acting.tools.address(pin), pin.digest)
    await journal.put_blob(body)
    return body


def _at_home(obj: Object, *, namespace: str) -> Object:
    """In the given namespace where it names none; that its kind may have none is seen when it is placed."""
    return obj if text(obj, "metadata", "namespace") else _placed(obj, namespace=namespace)


def _placed(obj: Object, *, namespace: str) -> Object:
    metadata = {key: value for key, value in mapping(obj, "metadata").items() if key != "namespace"}
    return {**obj, "metadata": metadata | ({"namespace": namespace} if namespace else {})}
