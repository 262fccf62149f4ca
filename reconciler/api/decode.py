"""Raw objects to Structs, at the speed of the decoder; what does not fit is explained field by field.

Not validation: an object that decodes may still break a rule (`reconciler.api.validate`). Invariant: whatever the spec
looks like, `head` reads the metadata, so that a broken object can still be deleted.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from reconciler.api import schema, structure
from reconciler.api.fields import says
from reconciler.api.problems import InvalidObject, Problem
from reconciler.api.types import ObjectMeta, StageSet, StageSetSpec

Raw = bytes | Mapping[str, Any]
_T = TypeVar("_T")


class Head(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object without its content."""

    metadata: Annotated[ObjectMeta, says("Standard metadata.")] = ObjectMeta()
    api_version: Annotated[str, says("Group and version.")] = ""
    kind: Annotated[str, says("Kind.")] = ""


class _WithoutStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    metadata: ObjectMeta
    spec: StageSetSpec
    api_version: str = "stages.metio.wtf/v1"
    kind: str = "StageSet"


@functools.cache
def _decoder(struct: type[_T]) -> msgspec.json.Decoder[_T]:
    # Made at the first use: it reads all types, which command lines that decode nothing need not wait for.
    return msgspec.json.Decoder(struct)


def stageset(raw: Raw, *, with_status: bool = False) -> StageSet:
    """A StageSet from JSON bytes or from a decoded object; fields that the API does not have are left out.

    The status is a projection that the controller writes and never believes, so it is skipped unless asked for.
    Raises `InvalidObject` with every problem of the shape.
    """
    try:
        return _quick(raw, with_status=with_status)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return _explained(raw, error, with_status=with_status)


def head(raw: Raw) -> Head:
    """The metadata of any object, whatever the rest looks like. Raises `InvalidObject` where even that is broken."""
    try:
        return _decoder(Head).decode(raw) if isinstance(raw, bytes) else msgspec.convert(raw, Head)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise InvalidObject([Problem("metadata", f"cannot be read: {error}")]) from error


def _quick(raw: Raw, *, with_status: bool) -> StageSet:
    if with_status:
        return _decoder(StageSet).decode(raw) if isinstance(raw, bytes) else msgspec.convert(raw, StageSet)
    found = _decoder(_WithoutStatus).decode(raw) if isinstance(raw, bytes) else msgspec.convert(raw, _WithoutStatus)
    return StageSet(metadata=found.metadata, spec=found.spec, api_version=found.api_version, kind=found.kind)


def _explained(raw: Raw, error: Exception, *, with_status: bool) -> StageSet:
    try:
        plain = structure.without_nulls(msgspec.json.decode(raw) if isinstance(raw, bytes) else raw)
    except msgspec.DecodeError as broken:
        raise InvalidObject([Problem("the object", f"is not JSON: {broken}")]) from broken
    if not isinstance(plain, dict):
        raise InvalidObject([Problem("the object", "must be a map with metadata and spec")]) from error
    if not with_status:
        plain.pop("status", None)
    found = list(structure.problems(plain, schema.of(StageSet), path=""))
    if found:
        raise InvalidObject(found) from error
    return msgspec.convert(plain, StageSet)
