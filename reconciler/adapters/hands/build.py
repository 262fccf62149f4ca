"""BUILD: artifact and spec become objects: kustomize, then substitution, once for the wire and once for the record.

Secret values are in the wire form alone, which stays in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ledger.events import BuildFinished, Item
from reconciler.adapters.hands import withheld
from reconciler.adapters.hands.tools import Tools, Wire, failed, ok, stage_of
from reconciler.adapters.hands.variables import Wanted, read_variables
from reconciler.adapters.operations.failures import Scrub
from reconciler.adapters.operations.manifests import Manifest, Placed, placed
from reconciler.api import defaults, names
from reconciler.api.types import StageSetSpec
from reconciler.compute import archive, kustomization
from reconciler.compute.conflicts import marked
from reconciler.compute.manifests import canonical, object_digest
from reconciler.compute.order import stamped
from reconciler.compute.redaction import Redactor
from reconciler.compute.secrecy import Rendered, render, spelled
from reconciler.errors import ClusterError, OperationError
from reconciler.ports.cluster import Cluster, Object
from reconciler.ports.hands import Answer, Target


class Job(NamedTuple):
    """What is to be built."""

    target: Target
    spec: StageSetSpec
    stage: str
    #: digest of the artifact
    artifact: str


class Substituted(NamedTuple):
    """Objects after substitution."""

    objects: list[Rendered]
    #: takes the values of variables that come from Secrets out of texts
    scrub: Scrub
    secrets: tuple[str, ...]
    #: `Kind/name@resourceVersion` of what the variables came from
    origins: tuple[str, ...]


async def perform(tools: Tools, job: Job) -> tuple[Answer, Wire | None]:
    """Build a stage; the wire form comes beside the answer and is in no event."""
    try:
        stage = stage_of(job.spec, job.stage)
        patches = [_plain(patch) for patch in stage.patches]
        text = await kustomized(tools, await _kept(tools, job.artifact), path=stage.path, patches=patches)
        return await _built(tools, job, await substituted(tools, job, text))
    except (OperationError, ClusterError) as error:
        return failed(BuildFinished, error), None


async def _kept(tools: Tools, artifact: str) -> bytes:
    body = await tools.journal.get_blob(artifact)
    if body is None:
        raise OperationError(
            f"the artifact {artifact} is not kept any more: it is fetched again with the next try",
            reason="ArtifactMissing",
            retryable=True,
        )
    return body


async def kustomized(tools: Tools, body: bytes, *, path: str, patches: Sequence[dict[str, object]] = ()) -> str:
    """What kustomize makes of `path` in an artifact, before substitution. Raises `OperationError`."""

    def prepared() -> kustomization.BuildTree:
        return kustomization.prepare(archive.extract(body), path=path, patches=patches, tool=tools.tool)

    return await tools.builder.build(await tools.builder.threads.in_thread(prepared))


async def substituted(tools: Tools, wanted: Wanted, text: str) -> Substituted:
    """The objects of a built text with the stage's variables, for the wire and for the record.

    Raises `OperationError` and `ClusterError` leaves.
    """
    variables = await read_variables(tools, wanted)
    found = await tools.builder.threads.in_thread(render, text, variables.values, key=tools.key)
    hidden = [one for one in found if one.identity_is_secret]
    if hidden:
        raise OperationError(
            f"the name or namespace of a {hidden[0].record['kind']} comes from a Secret: what an object is called is "
            "recorded and shown, so take it from a ConfigMap or from substitute",
            reason="SecretIdentity",
            retryable=False,
        )
    secrets = (*variables.secrets, *spelled(found))
    return Substituted(found, Redactor(secrets).scrub, secrets, variables.origins)


async def possible(cluster: Cluster, objects: Sequence[Manifest], *, scrub: Scrub) -> list[Placed]:
    """The objects with their references. Raises `OperationError` for one that cannot exist, on whatever cluster."""
    places = await placed(cluster, objects, scrub=scrub)
    for place in places:
        # Without an HTTP status it is a mistake of the manifests: nothing that cannot exist may be claimed.
        if place.failure is not None and not place.failure.code:
            raise OperationError(place.failure.words(), reason=place.failure.reason, retryable=False)
    return places


def _plain(patch: object) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(patch)
    return plain


async def _built(tools: Tools, job: Job, found: Substituted) -> tuple[Answer, Wire | None]:
    target = job.target
    stage = stage_of(job.spec, job.stage)
    labels = names.stage_labels(namespace=target.namespace, name=target.name, stage=job.stage)

    def finished(obj: Object) -> Object:
        return marked(stamped(obj, labels=labels), stage=stage)

    objects = [Manifest(obj=finished(one.wire), digest=object_digest(finished(one.record))) for one in found.objects]
    account = defaults.service_account(job.spec, stage)
    hand = await tools.clusters.hand(target.namespace, account, defaults.kubeconfig(job.spec))
    places = await possible(hand.cluster, objects, scrub=found.scrub)
    record = canonical([finished(one.record) for one in found.objects])
    digest = await tools.journal.put_blob(record)
    refs = tuple(place.ref for place in places)
    leaks = withheld.leaks(found.secrets, record=record.decode())
    wire = Wire(digest, tuple(objects), refs, found.scrub, found.origins, leaks)
    items = [
        Item(id=place.id, v=place.ref.api_version.rpartition("/")[2], digest=place.manifest.digest) for place in places
    ]
    event = BuildFinished(manifests=digest, objects=items, variables=list(found.origins))
    return ok(event, blobs=(digest,)), wire
