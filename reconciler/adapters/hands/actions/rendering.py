"""The objects of an artifact that an action uses: built, substituted as the stage's, and recorded without secrets.

Not their way to the cluster, and no stage patches. Invariant: secret values are in `Made.wire` alone, which stays in
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reconciler.adapters.hands.actions.acting import Acting
from reconciler.adapters.hands.build import kustomized, substituted
from reconciler.adapters.operations.manifests import Manifest
from reconciler.api import names
from reconciler.compute.manifests import canonical, object_digest
from reconciler.compute.order import ref_of, stamped
from reconciler.compute.secrecy import Rendered
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
    scrub: Callable[[str], str]


async def rendered(acting: Acting, *, path: str) -> ActionObjects:
    """The objects of `acting.pin` at `path`, as the stage's identity sees their kinds.

    Raises `OperationError` and `ClusterError` leaves: everything that a user can cause; `acting.failed` takes both.
    """
    pin, tools = acting.pin, acting.tools
    assert pin is not None, "the artifact of an action is pinned with its run"
    body = await tools.journal.get_blob(pin.digest)
    if body is None:
        body = await tools.fetcher.fetch(pin.url, pin.digest)
        await tools.journal.put_blob(body)
    found = await substituted(tools, acting, await kustomized(tools, body, path=path))
    objects = [await _made(acting, one) for one in found.objects]
    record = await tools.journal.put_blob(canonical([one.record for one in objects]))
    return ActionObjects(tuple(objects), (pin.digest, record), found.scrub)


async def _made(acting: Acting, one: Rendered) -> Made:
    target = acting.target
    ref = ref_of(one.wire)
    resource = await acting.hand.cluster.resource(ref.api_version, ref.kind)
    namespace = (ref.namespace or target.namespace) if resource.namespaced else ""
    labels = names.owner_labels(namespace=target.namespace, name=target.name)
    wire, record = (_placed(stamped(obj, labels=labels), namespace) for obj in (one.wire, one.record))
    return Made(ref._replace(namespace=namespace), wire, record)


def _placed(obj: Object, namespace: str) -> Object:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
    return {**obj, "metadata": {**metadata, "namespace": namespace} if namespace else metadata}
