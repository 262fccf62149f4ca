"""A StageSet object reduced to what is needed of it, and its spec read and checked.

Not state: everything here is read again after a restart.
"""

from __future__ import annotations

from typing import Any

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


def project_stageset(_: Scope, found: Object) -> Object:
    """What a shared watch keeps of a StageSet."""
    annotations = strings(found, "metadata", "annotations")
    metadata = {
        key: dig(found, "metadata", key)
        for key in ("namespace", "name", "uid", "generation", "resourceVersion", "deletionTimestamp", "finalizers")
        if dig(found, "metadata", key) is not None
    }
    ready = condition(found, "Ready") or {}
    metadata["annotations"] = {key: annotations[key] for key in names.WAKING_ANNOTATIONS if key in annotations}
    return {
        "metadata": metadata,
        "spec": msgspec.json.encode(found.get("spec") or {}),
        "status": status_mark(found.get("status")),
        "ready": [str(ready.get("status", "")), str(ready.get("reason", ""))],
    }


def status_mark(status: Any) -> str:
    """Short mark of a status for comparison."""
    return digests.of(status) if status else ""


def observed_of(kept: Object) -> Observed:
    """Read what `project_stageset` kept."""
    return Observed(
        namespace=text(kept, "metadata", "namespace"),
        name=text(kept, "metadata", "name"),
        uid=text(kept, "metadata", "uid"),
        generation=whole(kept, "metadata", "generation") or 0,
        resource_version=text(kept, "metadata", "resourceVersion"),
        spec=kept["spec"],
        requested_at=strings(kept, "metadata", "annotations").get(names.REQUESTED_AT, ""),
        deleting=dig(kept, "metadata", "deletionTimestamp") is not None,
        finalizers=tuple(dig(kept, "metadata", "finalizers") or ()),
        status=kept["status"],
        ready=(kept["ready"][0], kept["ready"][1]),
    )


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


def sources_of(stageset: StageSet, *, namespace: str) -> list[tuple[str, defaults.Source]]:
    """The source of each stage, in order."""
    return [(stage.name, defaults.source(stage.source_ref, namespace=namespace)) for stage in stageset.spec.stages]
