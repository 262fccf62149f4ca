"""What is already in the cluster, read with as few requests as may be: identity, version and owner, no content.

Not a cache. Invariant: an answer says either what is there, or that nothing is there, or that it is not known; it never
guesses.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from reconciler import errors
from reconciler.adapters.operations.pool import each
from reconciler.api import names
from reconciler.compute.fields import dig, strings, text, whole
from reconciler.compute.order import ref_words
from reconciler.ports.cluster import Cluster, Object, Ref, Scope


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of a live object that decisions read."""

    uid: str
    resource_version: str = ""
    #: None for kinds that do not count generations.
    generation: int | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    terminating: bool = False
    finalizers: tuple[str, ...] = ()


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """A StageSet, as the owner labels name it."""

    namespace: str
    name: str

    def owns(self, live: Live) -> bool:
        """Whether both owner labels name this StageSet."""
        return names.is_owned(live.labels, namespace=self.namespace, name=self.name)

    def other(self, live: Live) -> str:
        """`namespace/name` of another StageSet that the labels name; empty where they name none or this one."""
        namespace = live.labels.get(names.LABEL_NAMESPACE, "")
        name = live.labels.get(names.LABEL_NAME, "")
        foreign = (namespace and namespace != self.namespace) or (name and name != self.name)
        return f"{namespace or '?'}/{name or '?'}" if foreign else ""

    def words(self) -> str:
        return f"StageSet {self.namespace}/{self.name}"


def live_of(obj: Object) -> Live:
    """The metadata of an object as the API server returned it."""
    return Live(
        uid=text(obj, "metadata", "uid"),
        resource_version=text(obj, "metadata", "resourceVersion"),
        generation=whole(obj, "metadata", "generation"),
        labels=strings(obj, "metadata", "labels"),
        annotations=strings(obj, "metadata", "annotations"),
        terminating=bool(text(obj, "metadata", "deletionTimestamp")),
        finalizers=tuple(map(str, dig(obj, "metadata", "finalizers") or ())),
    )


async def read_existing(cluster: Cluster, refs: Iterable[Ref], *, limit: int) -> dict[Ref, Live | None]:
    """What is known of `refs`: metadata, None for what is not there; what is not known is left out.

    One request for each kind and namespace: a list by owner label, or a GET where it is about one object. A list by
    label does not tell an object without labels from one that does not exist: both are left out. Where listing is
    forbidden the objects are read one by one; where that is forbidden too they are left out.

    Raises ClusterError leaves other than refusals (Unavailable, Unauthorized, …).
    """
    buckets: dict[tuple[str, str, str], list[Ref]] = {}
    for ref in refs:
        buckets.setdefault(ref[:3], []).append(ref)

    async def read(bucket: list[Ref]) -> dict[Ref, Live | None]:
        return await _bucket(cluster, bucket, limit=limit)

    found: dict[Ref, Live | None] = {}
    for part in await each(buckets.values(), read, limit=limit):
        found |= part
    return found


async def _bucket(cluster: Cluster, refs: list[Ref], *, limit: int) -> dict[Ref, Live | None]:
    if len(refs) == 1:
        return await _one(cluster, refs[0])
    first = refs[0]
    scope = Scope(first.api_version, first.kind, first.namespace, label_selector=names.LABEL_NAME, metadata_only=True)
    try:
        listed = await cluster.list(scope)
    except errors.NoSuchKind:
        return dict.fromkeys(refs)
    except errors.Forbidden:
        single = await each(refs, lambda ref: _one(cluster, ref), limit=limit)
        return {ref: live for part in single for ref, live in part.items()}
    wanted = {ref.name: ref for ref in refs}
    return {wanted[name]: live_of(item) for item in listed.items if (name := text(item, "metadata", "name")) in wanted}


async def _one(cluster: Cluster, ref: Ref) -> dict[Ref, Live | None]:
    try:
        return {ref: live_of(await cluster.get(ref))}
    except (errors.NotFound, errors.NoSuchKind):
        return {ref: None}
    except errors.Forbidden:
        return {}


def foreign_words(ref: Ref, *, owner: Owner, other: str) -> str:
    """The sentence that refuses an object of another StageSet."""
    return (
        f"{ref_words(ref)} belongs to StageSet {other} (labels {names.LABEL_NAME} and {names.LABEL_NAMESPACE}), not to "
        f"{owner.words()}: take it out of one of the two, or remove the labels to hand it over"
    )


def claimed_words(ref: Ref, *, owner: Owner, other: Owner) -> str:
    """The sentence that refuses an object that another StageSet is applying at this moment."""
    return (
        f"{ref_words(ref)} is being applied by {other.words()} at this moment, and {owner.words()} renders it too: "
        "take it out of one of the two"
    )
