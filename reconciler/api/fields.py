"""The one convention by which a field of the API states its meaning, limits and defaults.

Every field is `Annotated[T, says("What it means.", …)]`. The decoder, the CRDs, the reference page and the structural
checks all read the same annotation; there is no table beside it.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from reconciler.api import duration

#: Go duration such as `1h2m3.5s`. An empty string in a decoded object means that the field was absent.
Duration = Annotated[str, Meta(pattern=duration.PATTERN, extra={"form": "duration"})]
#: RFC 3339 instant. An empty string in a decoded object means that the field was absent.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, extra={"form": "time"})]
#: The structural check knows the range by the format, as the API server does.
Int32 = Annotated[int, Meta(extra_json_schema={"format": "int32"})]
Int64 = Annotated[int, Meta(extra_json_schema={"format": "int64"})]


def says(
    meaning: str,
    *,
    effective: str = "",
    expects: str = "",
    crd: dict[str, Any] | None = None,
    **limits: Any,
) -> Meta:
    """The annotation of a field.

    `effective`: what holds when the field is absent, in words. `expects`: the `pattern` in words. `crd`: further
    keywords of its schema, made by `default`, `map_by` and `cel`. `limits`: `pattern`, `min_length`, `max_length`,
    `ge` and `le` of msgspec.
    """
    extra = {key: text for key, text in (("effective", effective), ("expects", expects)) if text}
    return Meta(description=meaning, extra_json_schema=crd, extra=extra or None, **limits)


def default(value: Any) -> dict[str, Any]:
    """A default that the API server writes into the object."""
    return {"default": value}


def map_by(key: str) -> dict[str, Any]:
    """The list is a map by this key: two items may not share it, and server-side apply merges by it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def cel(rules: dict[str, str]) -> dict[str, Any]:
    """CEL rules that the API server checks, by the message that it shows."""
    return {"x-kubernetes-validations": [{"message": text, "rule": rule} for text, rule in rules.items()]}
