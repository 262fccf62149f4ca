"""Manifests from files into a cluster in memory, as `kubectl apply` would, with the status of custom resources.

Not a schema check: what the cluster refuses is told with file and document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from reconciler.adapters.memory.cluster import MemoryCluster, ref_of
from reconciler.adapters.memory.request import Write
from reconciler.errors import ClusterError, ReconcilerError
from reconciler.ports.cluster import Object

MANAGER = "stagesetctl-sandbox"
#: `-` is standard input, as for kubectl.
STDIN = "-"


class CannotLoad(ReconcilerError):
    """A manifest cannot be read, or the cluster refuses it; the message names file and document."""


async def load(cluster: MemoryCluster, path: str, text: str) -> int:
    """Apply every object of a file's text, in order; returns how many. Namespaced ones go to `default` by default.

    Raises `CannotLoad`.
    """
    count = 0
    for where, obj in objects(path, text):
        try:
            await _apply(cluster, obj)
        except ClusterError as error:
            raise CannotLoad(f"{where}: {error.message}") from None
        count += 1
    return count


def objects(path: str, text: str) -> Iterator[tuple[str, Object]]:
    """Where each object stands, and the object. Lists (`kind: List`) are taken apart. Raises `CannotLoad`."""
    try:
        for number, document in enumerate(yaml.safe_load_all(text), start=1):
            if document is not None:
                yield from _in_document(f"{path}, document {number}", document)
    except yaml.YAMLError as error:
        raise CannotLoad(f"{path} is not YAML: {error}") from None


def read(path: str) -> str:
    """The text of a file. Raises `CannotLoad`."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CannotLoad(f"{path} cannot be read: {why}") from None


def _in_document(where: str, document: Any) -> Iterator[tuple[str, Object]]:
    if not isinstance(document, dict) or "kind" not in document:
        raise CannotLoad(f"{where} is not a manifest: it needs apiVersion and kind")
    if str(document["kind"]).endswith("List") and isinstance(document.get("items"), list):
        for place, item in enumerate(document["items"]):
            yield from _in_document(f"{where}, items[{place}]", item)
    else:
        yield where, document


async def _apply(cluster: MemoryCluster, obj: Object) -> None:
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _OF_THE_SERVER}
    ref = ref_of({**obj, "metadata": metadata})
    kind = cluster.world.catalog.kind(ref.api_version, ref.kind)
    if kind.namespaced:
        metadata.setdefault("namespace", "default")
    status = obj.get("status")
    plain = {key: value for key, value in obj.items() if key != "status"}
    await cluster.apply({**plain, "metadata": metadata}, manager=MANAGER)
    # A definition or a namespace is served before what needs it comes.
    await cluster.tick()
    if status and kind.has_status and not kind.type_name:
        # Nothing here reconciles custom resources: without this a source would never have an artifact.
        bare = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
        wanted = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": bare, "status": status}
        await cluster.apply_as(wanted, Write(MANAGER, subresource="status"), force=True)


#: What an API server writes itself and refuses in an apply: manifests taken with `kubectl get -o yaml` have it.
_OF_THE_SERVER = frozenset({"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"})
