"""Immutable conflicts: which answer the policy has for an object, what its deletion would lose, and what proves one.

Not the requests. Invariant: a refusal counts as one of an immutable field only if every one of its causes says so, in
words that Kubernetes uses for nothing else, or if the same object passes as a new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.api import defaults, names
from reconciler.api.types.stage import ConflictAction, ConflictTarget, Stage
from reconciler.compute.fields import dig, group_of, mapping, maps, strings, text
from reconciler.compute.order import ref_of
from reconciler.ports.cluster import Object, Ref


class Choice(NamedTuple):
    """The answer to a conflict about one object."""

    action: ConflictAction
    #: given by the first matching rule, wherever the action comes from
    allow_data_loss: bool = False
    #: where the action comes from, for messages
    source: str = "the default"


FAIL = Choice("Fail")


def choice_of(stage: Stage, obj: Any, *, ref: Ref) -> Choice:
    """The annotation on the rendered object, else the first matching rule, else the stage's default (CONTRACT §4.6).

    `ref` is the object's with the namespace that its kind's scope gives it.
    """
    rules = stage.conflict_policy.rules if stage.conflict_policy is not None else ()
    number, rule = next(((n, r) for n, r in enumerate(rules) if _matches(r.target, ref)), (0, None))
    allowed = rule is not None and rule.allow_data_loss
    if strings(obj, "metadata", "annotations").get(names.FORCE):
        return Choice("Recreate", allowed, f"the annotation {names.FORCE}")
    if rule is not None:
        return Choice(rule.action, allowed, f"conflictPolicy.rules[{number}]")
    if stage.conflict_policy is None and stage.force:
        return Choice("Recreate", source="force")
    return Choice(defaults.conflict_action(stage), source="conflictPolicy.default")


def marked(obj: Object, *, stage: Stage) -> Object:
    """The rendered object, with an annotation where it would be kept as it is in a conflict (CONTRACT §2.1)."""
    if choice_of(stage, obj, ref=ref_of(obj)).action != "KeepExisting":
        return obj
    metadata = mapping(obj, "metadata")
    annotations = {**mapping(metadata, "annotations"), names.KEEP_EXISTING: "true"}
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


def _matches(target: ConflictTarget, ref: Ref) -> bool:
    wanted = Ref(target.api_version, target.kind, target.namespace, target.name)
    return all(not want or want == have for want, have in zip(wanted, ref, strict=True))


# ── what a deletion loses ────────────────────────────────────────────────────────────────────────────────────────

_HOLDERS = {
    ("", "PersistentVolumeClaim"): "the data of its volume",
    ("", "PersistentVolume"): "the data of the volume",
    ("", "Namespace"): "everything in the namespace",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "every object of the kind that it defines",
    ("snapshot.storage.k8s.io", "VolumeSnapshot"): "the snapshot",
    ("snapshot.storage.k8s.io", "VolumeSnapshotContent"): "the snapshot",
    ("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshot"): "the snapshots",
    ("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotContent"): "the snapshots",
}


def data_held(ref: Ref, live: Any) -> str:
    """What would be lost with the live object besides itself; empty where nothing is known to be.

    Claims, volumes and snapshots; what contains other objects; a StatefulSet that asks for its claims to be deleted
    with it (KEP-1847). A custom resource is not known to hold anything: only its operator knows.
    """
    if (ref.kind, group_of(ref.api_version)) == ("StatefulSet", "apps"):
        policy = text(live, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
        claims = maps(live, "spec", "volumeClaimTemplates")
        return "the claims of its Pods (whenDeleted: Delete) and their data" if policy == "Delete" and claims else ""
    return _HOLDERS.get((group_of(ref.api_version), ref.kind), "")


# ── proof by words ───────────────────────────────────────────────────────────────────────────────────────────────

#: API groups that kube-apiserver validates in its own words. Whatever else is served may say anything.
_BUILT_IN = frozenset(
    {"", "apps", "autoscaling", "batch", "extensions", "policy", "apiextensions.k8s.io"}
    | {
        f"{name}.k8s.io"
        for name in (
            "admissionregistration", "apiregistration", "certificates", "coordination", "discovery", "events",
            "flowcontrol.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling", "storage",
            "storagemigration",
        )
    }
)  # fmt: skip
#: Sources: `k8s.io/apimachinery/pkg/api/{validation,validate}`, `k8s.io/kubernetes/pkg/apis/*/validation`, v1.37,
#: and those before it for StatefulSets and RoleBindings. What stands before these endings may quote a value of the
#: object.
_ENDINGS = re.compile(
    r"(?:^|: )(?:"
    r"field is immutable(?:, except for updating from beta label to GA)?"
    r"|cannot change roleRef|may not change once set|primary (?:clusterIP|ipFamily) can not be unset"
    r"|field cannot be (?:set once created|cleared once set|modified once set)"
    r"|the basic/gang policy variant is immutable after creation; [^:]*"
    r")$"
)
#: `Forbidden` quotes no value, so that these begin what Kubernetes itself says; some print a diff after it.
_FORBIDDEN = (
    "field is immutable",
    "field can not be less than ",
    "item may not be added",
    "item may not be removed",
    "may not be changed in an update.",
    "pod updates may not change fields other than ",
    "spec is immutable after creation",
    "spec.persistentvolumesource is immutable after creation",
    "updates to driverName are forbidden.",
    "updates to parameters are forbidden.",
    "updates to statefulset spec for fields other than ",
)
_MARK = "Forbidden: "


def is_built_in(ref: Ref) -> bool:
    """Whether the kind is one of those that kube-apiserver itself validates."""
    return group_of(ref.api_version) in _BUILT_IN


def fields_told(causes: Sequence[Mapping[str, Any]], *, ref: Ref) -> tuple[str, ...]:
    """The fields that a built-in kind does not let change, from the causes of a 422; empty if any cause is another."""
    told = is_built_in(ref) and all(_tells(cause) for cause in causes)
    return tuple(dict.fromkeys(text(cause, "field") or "unknown field" for cause in causes)) if told else ()


#: Admission plugin PersistentVolumeClaimResize, a 403 without causes.
_UNRESIZABLE = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must"


def field_denied(message: str, *, ref: Ref) -> tuple[str, ...]:
    """The field that a 403 says cannot change: the size of a claim whose class does not allow it to grow."""
    claim = (ref.api_version, ref.kind) == ("v1", "PersistentVolumeClaim") and f"forbidden: {_UNRESIZABLE}" in message
    return ("spec.resources.requests.storage",) if claim else ()


def _tells(cause: Mapping[str, Any]) -> bool:
    message = text(cause, "message")
    if message.startswith(_MARK):
        return message.removeprefix(_MARK).startswith(_FORBIDDEN)
    return text(cause, "reason") == "FieldValueInvalid" and _ENDINGS.search(message) is not None


# ── proof by comparing ───────────────────────────────────────────────────────────────────────────────────────────


def fields_to_compare(causes: Sequence[Mapping[str, Any]], *, ref: Ref) -> tuple[str, ...]:
    """The fields of a 422 that a comparison may prove immutable; empty where it may not.

    Only validation names fields and says `FieldValue…`. Admission (webhooks, policies) does not: what it refuses may be
    refused for any reason, also a passing one, and is never a reason to delete.
    """
    if is_built_in(ref) or not all(text(cause, "reason") in _COMPARABLE and text(cause, "field") for cause in causes):
        return ()
    return tuple(dict.fromkeys(text(cause, "field") for cause in causes))


#: What a CEL rule can answer with. Source: apiextensions `x-kubernetes-validations[].reason`.
_COMPARABLE = frozenset({"FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"})
_KEPT_METADATA = ("name", "namespace", "labels", "annotations")


def laid_over(live: Object, desired: Object, *, manager: str) -> Object:
    """The live object without what `manager` alone had applied, with `desired` on it, as if it were new.

    What server-side apply would make of the two, but for lists, which come whole from `desired`.
    """
    mine, others = _owned(live, manager)
    kept = _without(live, mine, others=others)
    made = _merged({k: v for k, v in kept.items() if k != "status"}, desired)
    metadata = {k: v for k, v in mapping(made, "metadata").items() if k in _KEPT_METADATA}
    return {**made, "metadata": metadata}


def _owned(live: Object, manager: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    mine: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for entry in maps(live, "metadata", "managedFields"):
        ours = (
            text(entry, "manager") == manager and text(entry, "operation") == "Apply" and not entry.get("subresource")
        )
        fields = mapping(entry, "fieldsV1")
        if ours:
            mine = fields
        else:
            others.append(fields)
    return mine, others


def _without(value: Any, mine: Mapping[str, Any], *, others: Sequence[Mapping[str, Any]]) -> Any:
    """The value without the fields in `mine` that nobody else has; a list that is partly ours goes whole."""
    if not isinstance(value, dict):
        return value
    left = dict(value)
    for key, below in mine.items():
        name = key.removeprefix("f:")
        if not key.startswith("f:") or name not in left:
            continue
        shared = [other[key] for other in others if key in other]
        if isinstance(left[name], dict) and below:
            left[name] = _without(left[name], below, others=shared)
        if not shared and not (isinstance(left[name], dict) and left[name]):
            del left[name]
    return left


def _merged(live: Any, desired: Any) -> Any:
    if isinstance(live, dict) and isinstance(desired, dict):
        return {**live, **{key: _merged(live.get(key), value) for key, value in desired.items()}}
    return desired


def as_new(desired: Object, live: Object, *, ref: Ref) -> Object:
    """The replacement as it is tried while the live object still exists: without the addresses that this one holds."""
    if (ref.kind, ref.api_version) != ("Service", "v1"):
        return desired
    held = {port["nodePort"] for port in maps(live, "spec", "ports") if port.get("nodePort")}
    dropped = _held(desired, live)
    spec = {key: value for key, value in mapping(desired, "spec").items() if key not in dropped}
    ports = [
        {key: value for key, value in port.items() if key != "nodePort" or value not in held}
        for port in maps(desired, "spec", "ports")
    ]
    return {**desired, "spec": {**spec, **({"ports": ports} if ports else {})}}


def addresses_wanted(desired: Object, live: Object, *, ref: Ref) -> list[Ref]:
    """The IPAddress objects of what a Service asks for and the live one does not have; a dry-run does not look."""
    if (ref.kind, ref.api_version) != ("Service", "v1"):
        return []
    wanted = [address for address in _addresses(desired) if address not in ("None", *_addresses(live))]
    return [Ref("networking.k8s.io/v1", "IPAddress", "", address) for address in wanted]


def _held(desired: Object, live: Object) -> set[str]:
    """Fields whose values the live Service has. Addresses of which one is another one's are tried as they are."""
    port = dig(desired, "spec", "healthCheckNodePort")
    held = {"healthCheckNodePort"} if port and port == dig(live, "spec", "healthCheckNodePort") else set()
    wanted = _addresses(desired)
    consistent = dig(desired, "spec", "clusterIPs") is None or wanted[:1] == [text(desired, "spec", "clusterIP")]
    return held | ({"clusterIP", "clusterIPs"} if consistent and set(wanted) <= set(_addresses(live)) else set())


def _addresses(service: Object) -> list[str]:
    many = dig(service, "spec", "clusterIPs")
    first = text(service, "spec", "clusterIP")
    return list(map(str, many)) if isinstance(many, list) and many else [first] if first else []
