"""The order in which objects are applied and deleted, their labels, and whether a live object already is as desired.

Not the requests. Source of groups and kind order: CONTRACT §4.6 (Flux's server-side apply package). Invariant: the
order depends on the objects alone, never on the order in which they were rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

from reconciler.compute.fields import group_of, mapping, strings, text
from reconciler.ports.cluster import Object, Ref

T = TypeVar("T")

_KIND_ORDER = (
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANKS = {kind: rank for rank, kind in enumerate((*_KIND_ORDER, "", *_LAST))}
_DEFINITIONS = frozenset({"CustomResourceDefinition", "Namespace", "ClusterRole"})


def kind_rank(kind: str) -> int:
    """The place of `kind` in the kind order; all kinds that it does not name share one."""
    return _RANKS.get(kind, _RANKS[""])


def group_index(kind: str) -> int:
    """0 for what defines (CRDs, Namespaces, ClusterRoles), 1 for kinds that end in `Class`, 2 for the rest."""
    if kind in _DEFINITIONS:
        return 0
    return 1 if kind.endswith("Class") else 2


def sort_key(ref: Ref) -> tuple[int, int, str, str, str, str]:
    """Group, kind order, API group, kind, namespace, name."""
    rank = kind_rank(ref.kind)
    return group_index(ref.kind), rank, group_of(ref.api_version), ref.kind, ref.namespace, ref.name


def apply_order(refs: Iterable[Ref]) -> list[list[list[Ref]]]:
    """Groups of ranks of references: what is in one rank may be applied at the same time."""
    ordered = sorted(refs, key=sort_key)
    return [
        [list(rank) for _, rank in groupby(group, key=lambda ref: kind_rank(ref.kind))]
        for _, group in groupby(ordered, key=lambda ref: group_index(ref.kind))
    ]


def deletion_order(refs: Iterable[Ref]) -> list[list[Ref]]:
    """Ranks of references, the last applied first."""
    return [list(reversed(rank)) for group in reversed(apply_order(refs)) for rank in reversed(group)]


def ref_of(obj: Any) -> Ref:
    """The reference of an object as written; of a cluster-scoped kind the namespace must already be gone."""
    return Ref(
        api_version=text(obj, "apiVersion"),
        kind=text(obj, "kind"),
        namespace=text(obj, "metadata", "namespace"),
        name=text(obj, "metadata", "name"),
    )


def ref_words(ref: Ref) -> str:
    """How messages name an object: `Deployment shop/web`, or `Namespace shop` where there is no namespace."""
    return f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"


def stamped(obj: Object, *, labels: Mapping[str, str]) -> Object:
    """A copy of `obj` that carries `labels`; the labels given win over its own."""
    metadata = mapping(obj, "metadata")
    return {**obj, "metadata": {**metadata, "labels": {**mapping(metadata, "labels"), **labels}}}


def unchanged(desired: Object, live: Object) -> bool:
    """Whether applying `desired` would leave `live` as it is, judged without asking the server.

    True only if all labels, all annotations and all fields outside `metadata` and `status` of `desired` are in `live`
    with the same values; `live` may have more. It errs to False (a quantity written differently, a list with more
    items): the price is a request, never a missed change.
    """
    if ref_of(desired) != ref_of(live):
        return False
    return metadata_covers(desired, live) and all(
        key in live and _covers(value, live[key])
        for key, value in desired.items()
        if key not in ("metadata", "status", "apiVersion", "kind")
    )


def metadata_covers(desired: Object, live: Object) -> bool:
    """Whether `live` has all labels and annotations of `desired`."""
    return all(
        strings(desired, "metadata", part).items() <= strings(live, "metadata", part).items()
        for part in ("labels", "annotations")
    )


def _covers(desired: Any, live: Any) -> bool:
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(k in live and _covers(v, live[k]) for k, v in desired.items())
    if isinstance(desired, list):
        same = isinstance(live, list) and len(live) == len(desired)
        return same and all(_covers(d, found) for d, found in zip(desired, live, strict=True))
    return type(desired) is type(live) and bool(desired == live)


def some(words: Sequence[str], *, items_max: int) -> str:
    """The first `items_max` words, joined; how many more there are is said, not hidden."""
    more = len(words) - items_max
    shown = "; ".join(words[:items_max])
    return f"{shown}; and {more} more" if more > 0 else shown
