"""What stages are made of: small manifests whose behaviour in the cluster is told by annotations."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any, NamedTuple

from reconciler.adapters.memory.policy import PREFIX

NAMESPACE = "shop"
Object = dict[str, Any]


class Thing(NamedTuple):
    """One object of a stage, or the few that belong together."""

    kind: str
    name: str
    #: changes the content
    variant: int = 1
    #: ready, never, fail, crashloop
    outcome: str = "ready"
    #: seconds
    after_s: float = 1.0
    #: part of an immutable field
    fixed: int = 1


def objects_of(thing: Thing) -> list[Object]:
    """The manifests of a thing, before substitution."""
    return _MAKERS[thing.kind](thing)


def _notes(thing: Thing) -> dict[str, str]:
    return {f"{PREFIX}outcome": thing.outcome, f"{PREFIX}ready-after": f"{thing.after_s:g}s", f"{PREFIX}pods": "true"}


def _object(api_version: str, kind: str, name: str, **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}


def _config_map(thing: Thing) -> list[Object]:
    return [_object("v1", "ConfigMap", thing.name, data={"variant": f"v{thing.variant}", "who": "${who:=nobody}"})]


def _secret(thing: Thing) -> list[Object]:
    return [
        _object("v1", "Secret", thing.name, type="Opaque", stringData={"word": f"pass-{thing.variant}-${{word:=none}}"})
    ]


def _pods(thing: Thing, **spec: Any) -> Object:
    labels = {"app": thing.name, "fixed": f"f{thing.fixed}"}
    container = {"name": "main", "image": f"app:{thing.variant}"}
    return {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}


def _deployment(thing: Thing) -> list[Object]:
    template = _pods(thing)
    spec = {"replicas": 1, "selector": {"matchLabels": template["metadata"]["labels"]}, "template": template}
    made = _object("apps/v1", "Deployment", thing.name, spec=spec)
    made["metadata"]["annotations"] = _notes(thing)
    return [made]


def _job(thing: Thing) -> list[Object]:
    spec = {"backoffLimit": 0, "template": _pods(thing, restartPolicy="Never")}
    made = _object("batch/v1", "Job", f"{thing.name}-{thing.variant}", spec=spec)
    made["metadata"]["annotations"] = _notes(thing)
    return [made]


def _custom(thing: Thing) -> list[Object]:
    plural, kind = f"{thing.name}s".replace("-", ""), thing.name.replace("-", "").capitalize()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.sim.example"},
        "spec": {
            "group": "sim.example",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [version],
        },
    }
    return [crd, _object("sim.example/v1", kind, thing.name, spec={"variant": thing.variant})]


def _namespace(thing: Thing) -> list[Object]:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": thing.name}}
    inside = _config_map(thing._replace(name="inside"))[0]
    inside["metadata"]["namespace"] = thing.name
    return [space, inside]


_MAKERS = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Deployment": _deployment,
    "Job": _job,
    "Custom": _custom,
    "Namespace": _namespace,
}
KINDS = tuple(_MAKERS)


def files_of(things: list[Thing], *, broken: bool = False) -> dict[str, bytes]:
    """The files of an artifact."""
    found = {
        f"{number:02}-{thing.kind.lower()}.yaml": "\n---\n".join(json.dumps(o) for o in objects_of(thing)).encode()
        for number, thing in enumerate(things)
    }
    if broken or not found:
        found["broken.yaml"] = b"kind: [unclosed\n" if broken else b"# nothing\n"
    return found


def archive(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), compresslevel=1, mtime=0)
