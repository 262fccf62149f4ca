"""A StageSet object reduced to what is needed of it, and its spec read and checked.

Not state: everything here is read again after a restart.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from reconciler import digests
from reconciler.api import decode, defaults, names, reasons
from reconciler.api.problems import summary
from reconciler.api.support import unsupported
from reconciler.api.types import StageSet
from reconciler.api.validate import validate
from reconciler.compute.cel import compiles
from reconciler.compute.fields import condition, dig, strings, text, whole
from reconciler.ports.cluster import Object, Scope
from reconciler.ports.members import Observed
from reconciler.triggers import Obstacle

_Words = TypeVar("_Words", bound=tuple[str, ...])
#: Shared by the thousands that ask for nothing; nobody writes to it.
_NONE: dict[str, str] = {}


def project_stageset(_: Scope, found: Object) -> Observed:
    """What a shared watch keeps of a StageSet. Words that thousands have in common are kept once."""
    ready = condition(found, "Ready") or {}
    annotations = strings(found, "metadata", "annotations")
    requests: dict[str, str] = {key: annotations[key] for key in names.WAKING_ANNOTATIONS if key in annotations}
    observed = Observed(
        namespace=sys.intern(text(found, "metadata", "namespace")),
        name=text(found, "metadata", "name"),
        uid=text(found, "metadata", "uid"),
        generation=whole(found, "metadata", "generation") or 0,
        resource_version=text(found, "metadata", "resourceVersion"),
        spec=msgspec.json.encode(found.get("spec") or {}),
        requested_at=requests.pop(names.REQUESTED_AT, ""),
        deleting=dig(found, "metadata", "deletionTimestamp") is not None,
        finalizers=_same(tuple(map(str, dig(found, "metadata", "finalizers") or ()))),
        status=status_mark(found.get("status")),
        ledger=(0, ""),
        requests=requests or _NONE,
        ready=_same((str(ready.get("status", "")), str(ready.get("reason", "")))),
    )
    shown = dig(found, "status", "ledger")
    if text(shown, "stream") != observed.stream:
        return observed
    return observed._replace(ledger=(whole(shown, "version") or 0, text(shown, "head")))


@lru_cache(maxsize=256)
def _same(words: _Words) -> _Words:
    """One tuple for all that are equal to it."""
    return words


def status_mark(status: Any) -> str:
    """Short mark of a status for comparison."""
    return digests.of(status) if status else ""


def read_spec(observed: Observed) -> StageSet | Obstacle:
    """The StageSet, or the obstacle that its spec is: invalid, or using what is not supported yet."""
    raw = {
        "apiVersion": names.API_VERSION,
        "kind": "StageSet",
        "metadata": {"namespace": observed.namespace, "name": observed.name},
        "spec": msgspec.json.decode(observed.spec),
    }
    found = validate(raw, compile_cel=lambda text: compiles(text) or "")
    if not found:
        stageset = decode.stageset(raw)
        found = unsupported(stageset.spec)
        if not found:
            return stageset
    return Obstacle(reasons.INVALID_SPEC, summary(found))


class Use(NamedTuple):
    """A source and who uses it. `action` is empty for the stage's own."""

    stage: str
    action: str
    source: defaults.Source


def sources_of(stageset: StageSet, *, namespace: str) -> list[Use]:
    """The sources of each stage, in order: its own, then those of its actions."""
    found: list[Use] = []
    for stage in stageset.spec.stages:
        found.append(Use(stage.name, "", defaults.source(stage.source_ref, namespace=namespace)))
        for _, action in defaults.actions(stage):
            ref = defaults.action_source(action)
            if ref is not None:
                found.append(Use(stage.name, action.name, defaults.source(ref, namespace=namespace)))
    return found
