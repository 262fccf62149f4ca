"""How a StageSet points at other objects of a cluster.

Not a resolver: whether the object exists is found out by whoever reads it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Struct

from reconciler.api.fields import says


class LocalObjectReference(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object in the StageSet's own namespace."""

    name: Annotated[str, says("Name of the object.")]


class SecretKeyReference(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One key of a Secret in the StageSet's own namespace."""

    name: Annotated[str, says("Name of the Secret.")]
    key: Annotated[str, says("Key in the Secret's data.")] = ""


class ObjectReference(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object by kind and name."""

    kind: Annotated[str, says("Kind of the object.")]
    name: Annotated[str, says("Name of the object.")]
    api_version: Annotated[str, says("Group and version of the object, such as apps/v1.")] = ""
    namespace: Annotated[str, says("Namespace of the object.", effective="the StageSet's namespace")] = ""


class LabelSelectorRequirement(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A condition on one label."""

    key: Annotated[str, says("Label key.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"], says("How the label's value relates to `values`.")
    ]
    values: Annotated[tuple[str, ...], says("Values for In and NotIn; empty for Exists and DoesNotExist.")] = ()


class LabelSelector(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Objects by their labels; all conditions must hold."""

    match_labels: Annotated[dict[str, str], says("Labels with exactly these values.")] = {}
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], says("Further conditions on labels.")] = ()
