"""The objects of one stage as they go to the wire, checked before anything is sent.

Not rendering: objects come built and labelled. Invariant: the reference of an object has a namespace exactly when its
kind is namespaced, so that one object has one id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from reconciler import errors
from reconciler.adapters.operations.failures import Failure, Scrub, failure_of
from reconciler.compute.ca_bundle import without_invalid_ca_bundle
from reconciler.compute.fields import dig, mapping, maps, text
from reconciler.compute.inventory import entry_id
from reconciler.compute.order import ref_of, ref_words
from reconciler.ports.cluster import Cluster, Object, Ref

CRD_KIND = "CustomResourceDefinition"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One object to apply: what goes to the wire, and a digest that may be recorded.

    The digest is the caller's, over the object in its recorded form (secrets as tokens): a digest of the wire's form
    would let a short secret be guessed.
    """

    obj: Object
    digest: str


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest with the reference that its kind's scope gives it."""

    ref: Ref
    manifest: Manifest
    failure: Failure | None = None

    @property
    def id(self) -> str:
        return entry_id(self.ref)


async def placed(cluster: Cluster, manifests: Sequence[Manifest], *, scrub: Scrub) -> list[Placed]:
    """Each manifest with its reference, or with why it cannot be applied: unknown kind, no namespace, given twice.

    Kinds are looked up once each; a kind that a CustomResourceDefinition among the manifests defines need not be
    served yet.
    """
    scopes = _Scopes(cluster, _defined(m.obj for m in manifests), scrub=scrub)
    seen: set[str] = set()
    result: list[Placed] = []
    for manifest in manifests:
        one = await _place(scopes, manifest)
        if one.failure is None and one.id in seen:
            one = Placed(ref=one.ref, manifest=manifest, failure=_twice(one.ref))
        seen.add(one.id)
        result.append(one)
    return result


async def _place(scopes: _Scopes, manifest: Manifest) -> Placed:
    ref = ref_of(manifest.obj)
    namespaced = await scopes.namespaced(ref)
    if isinstance(namespaced, Failure):
        return Placed(ref=ref, manifest=manifest, failure=namespaced)
    if namespaced:
        return Placed(ref=ref, manifest=manifest, failure=None if ref.namespace else _homeless(ref))
    if ref.kind == CRD_KIND:
        manifest = Manifest(obj=without_invalid_ca_bundle(manifest.obj), digest=manifest.digest)
    if ref.namespace:
        metadata = {key: value for key, value in mapping(manifest.obj, "metadata").items() if key != "namespace"}
        manifest = Manifest(obj={**manifest.obj, "metadata": metadata}, digest=manifest.digest)
    return Placed(ref=ref._replace(namespace=""), manifest=manifest)


class _Scopes:
    """Whether kinds are namespaced: asked once a kind, answered by the server or by a CRD of the same stage."""

    def __init__(self, cluster: Cluster, defined: dict[tuple[str, str], bool], *, scrub: Scrub) -> None:
        self._cluster = cluster
        self._defined = defined
        self._scrub = scrub
        self._known: dict[tuple[str, str], bool | errors.ClusterError] = {}

    async def namespaced(self, ref: Ref) -> bool | Failure:
        key = (ref.api_version, ref.kind)
        if key not in self._known:
            self._known[key] = await self._look_up(ref)
        found = self._known[key]
        return found if isinstance(found, bool) else failure_of(found, ref=ref, scrub=self._scrub)

    async def _look_up(self, ref: Ref) -> bool | errors.ClusterError:
        try:
            return (await self._cluster.resource(ref.api_version, ref.kind)).namespaced
        except errors.ClusterError as error:
            defined = self._defined.get((ref.api_version, ref.kind))
            return error if defined is None or not isinstance(error, errors.NoSuchKind) else defined


def served_kinds(crd: Object) -> list[tuple[str, str]]:
    """API version and kind of what a CustomResourceDefinition serves."""
    group, kind = text(crd, "spec", "group"), text(crd, "spec", "names", "kind")
    versions = [text(v, "name") for v in maps(crd, "spec", "versions") if dig(v, "served") is True]
    return [(f"{group}/{version}", kind) for version in versions if group and kind and version]


def _defined(objects: Iterable[Object]) -> dict[tuple[str, str], bool]:
    return {
        key: text(obj, "spec", "scope") != "Cluster"
        for obj in objects
        if text(obj, "kind") == CRD_KIND
        for key in served_kinds(obj)
    }


def _homeless(ref: Ref) -> Failure:
    return Failure(
        code=0,
        reason="NamespaceMissing",
        message=f"{ref_words(ref)}: metadata.namespace is missing, and {ref.kind} is a namespaced kind",
        retryable=False,
        hint="set metadata.namespace in the manifest, or namespace: in the stage's kustomization.yaml",
    )


def _twice(ref: Ref) -> Failure:
    return Failure(
        code=0,
        reason="DuplicateObject",
        message=f"{ref_words(ref)}: the stage renders this object more than once",
        retryable=False,
        hint="keep one of the manifests",
    )
