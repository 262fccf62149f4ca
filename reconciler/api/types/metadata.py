"""What every Kubernetes object carries, reduced to the fields that this project reads.

Not the whole of metav1: fields that nobody reads (`managedFields` above all) are skipped when decoding, which keeps ten
thousand objects small.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import Int64, Time, says


class OwnerReference(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The object that this one belongs to, for garbage collection."""

    api_version: Annotated[str, says("Group and version of the owner.")]
    kind: Annotated[str, says("Kind of the owner.")]
    name: Annotated[str, says("Name of the owner.")]
    uid: Annotated[str, says("UID of the owner.")]
    controller: Annotated[bool, says("Whether the owner is the managing controller.")] = False
    block_owner_deletion: Annotated[bool, says("Whether foreground deletion of the owner waits for this object.")] = (
        False
    )


class ObjectMeta(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`metadata` of an object. Absent fields are empty."""

    name: Annotated[str, says("Name, unique in the namespace.")] = ""
    namespace: Annotated[str, says("Namespace.")] = ""
    uid: Annotated[str, says("Identity of this very object, never reused.")] = ""
    resource_version: Annotated[str, says("Opaque version of the stored object.")] = ""
    generation: Annotated[Int64, says("Counts changes of the spec.")] = 0
    creation_timestamp: Annotated[Time, says("When the object was created.")] = ""
    deletion_timestamp: Annotated[Time, says("Set once deletion was asked for; finalizers are still to be done.")] = ""
    labels: Annotated[dict[str, str], says("Labels.")] = {}
    annotations: Annotated[dict[str, str], says("Annotations.")] = {}
    finalizers: Annotated[tuple[str, ...], says("What must be done before the object may go.")] = ()
    owner_references: Annotated[tuple[OwnerReference, ...], says("Owners, for garbage collection.")] = ()


class Condition(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One aspect of an object's state (`metav1.Condition`, with its limits)."""

    type: Annotated[
        str,
        says(
            "Type of condition: Ready, Reconciling or Stalled.",
            expects="a CamelCase word, optionally with a DNS prefix and a slash",
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ]
    status: Annotated[Literal["True", "False", "Unknown"], says("True, False or Unknown.")]
    reason: Annotated[
        str,
        says(
            "Why the condition last changed, as a word for machines.",
            expects="a CamelCase word",
            min_length=1,
            max_length=1024,
            pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
    ]
    message: Annotated[str, says("Why the condition last changed, as a sentence for people.", max_length=32768)]
    last_transition_time: Annotated[Time, says("When the status last changed.")]
    observed_generation: Annotated[Int64, says("Generation of the spec that the condition was set for.", ge=0)] = 0
