"""Artifact files to the tree that kustomize builds: generated kustomization, spec patches, one digest over all inputs.

Not kustomize: it renders nothing. It follows the rules by which Flux prepares a build (`fluxcd/pkg/kustomize`).
Invariant: a tree that leaves here refers to nothing outside itself (`kustomization_refs`), and equal inputs have
equal digests.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.compute.kustomization_file import KUSTOMIZATION_NAMES, decode, kustomization_in, load_kustomization
from reconciler.compute.kustomization_refs import check_references
from reconciler.compute.manifests import malformed, objects_of
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

_API = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_ORIGIN = "originAnnotations"


@dataclass(frozen=True, kw_only=True)
class BuildTree:
    """What one build reads: files by name relative to the root, the directory to build (empty: the root), the digest.

    `digest` covers the files, the directory, the patches and the identity of the tool: builds with equal digests
    have equal outputs.
    """

    files: Mapping[str, bytes]
    directory: str
    digest: str


def prepare(
    files: Mapping[str, bytes], *, path: str = "", patches: Sequence[Mapping[str, Any]] = (), tool: str
) -> BuildTree:
    """The tree to build for a stage.

    `files` are an artifact's files, `path` the stage's, `patches` its `{patch, target}` items, `tool` the identity
    of the kustomize that will run. Raises `OperationError` (not retryable): `PathInvalid`, `NoManifests`,
    `InvalidPatch`, `InvalidKustomization`, `ReferenceRefused` or `MalformedManifest`.
    """
    directory = _directory(files, path)
    tree = dict(files)
    name = kustomization_in(directory, tree)
    if not name:
        _rename_json(tree, directory)
        name = posixpath.join(directory, KUSTOMIZATION_NAMES[0])
        tree[name] = _encode({**_API, "resources": list(_generated_resources(tree, directory))})
    _adjust(tree, name, [_patch(patch, index) for index, patch in enumerate(patches)])
    check_references(tree, directory)
    return BuildTree(files=tree, directory=directory, digest=_digest(tree, directory, tool))


def _directory(files: Mapping[str, bytes], path: str) -> str:
    """The stage's path, cleaned; a leading slash means the artifact's root, as in Flux."""
    cleaned = posixpath.normpath(path.strip().lstrip("/") or ".")
    shown = f'path "{path}"' if path else "the artifact's root"
    if cleaned == ".." or cleaned.startswith("../") or "\0" in cleaned:
        raise _failure("PathInvalid", f"{shown} leads out of the artifact: write a directory inside it")
    directory = "" if cleaned == "." else cleaned
    if directory in files:
        raise _failure("PathInvalid", f"{shown} is a file of the artifact: write the directory that holds it")
    inside = list(_below(files, directory))
    if directory and not inside:
        raise _failure("PathInvalid", f"{shown} does not exist in the artifact{_nearby(files)}")
    if not any(name.lower().endswith((".yaml", ".yml", ".json")) for name in inside):
        raise _failure("NoManifests", f"{shown} has no .yaml, .yml or .json file: nothing can be built from it")
    return directory


def _nearby(files: Mapping[str, bytes]) -> str:
    tops = sorted({name.split("/", 1)[0] for name in files if "/" in name})
    return f": its directories are {', '.join(tops[:10])}" if tops else ": it has no directories"


def _below(files: Mapping[str, bytes], directory: str) -> Iterator[str]:
    prefix = f"{directory}/" if directory else ""
    return (name for name in files if name.startswith(prefix))


def _rename_json(tree: dict[str, bytes], directory: str) -> None:
    """`*.json` directly in the directory becomes `*.yaml`, unless a file of that name is there: only YAML is
    collected.
    """
    for name in list(_below(tree, directory)):
        twin = name.removesuffix(".json") + ".yaml"
        if posixpath.dirname(name) == directory and name.endswith(".json") and twin not in tree:
            tree[twin] = tree.pop(name)


def _generated_resources(tree: Mapping[str, bytes], directory: str) -> Iterator[str]:
    """Every manifest below; a sub-directory with a kustomization of its own stands for all that is in it."""
    nested = {
        posixpath.dirname(name)
        for name in _below(tree, directory)
        if posixpath.basename(name) in KUSTOMIZATION_NAMES and posixpath.dirname(name) != directory
    }
    taken: set[str] = set()
    for name in sorted(_below(tree, directory)):
        owner = next((parent for parent in _parents(name, directory) if parent in nested), "")
        resource = owner or name
        if resource in taken or not (owner or name.endswith((".yaml", ".yml"))):
            continue
        taken.add(resource)
        if not owner:
            _check_manifests(name, tree[name])
        yield "./" + posixpath.relpath(resource, directory or ".")


def _parents(name: str, directory: str) -> list[str]:
    """The directories between, outermost first."""
    parents = []
    parent = posixpath.dirname(name)
    while parent != directory:
        parents.append(parent)
        parent = posixpath.dirname(parent)
    return parents[::-1]


def _check_manifests(name: str, content: bytes) -> None:
    try:
        for document in documents(decode(name, content)):
            where = f"{name}, document {document.number} (line {document.line})"
            for _ in objects_of(document, where=where):
                pass
    except YAMLProblem as problem:
        raise malformed(f"{name}, line {problem.line}, column {problem.column}", problem.problem) from None


def _adjust(tree: dict[str, bytes], name: str, patches: list[dict[str, Any]]) -> None:
    """Appends the spec's patches; switches origin annotations on where a kustomization lists no resources, as Flux
    does.

    The file stays as it is, byte for byte, when there is nothing to add: kustomize's errors then name the author's
    lines.
    """
    kustomization = load_kustomization(tree, name)
    metadata = kustomization.get("buildMetadata") or []
    annotate = not kustomization.get("resources") and isinstance(metadata, list) and _ORIGIN not in metadata
    if not patches and not annotate:
        return
    if annotate:
        kustomization["buildMetadata"] = [*metadata, _ORIGIN]
    existing = kustomization.get("patches") or []
    if not isinstance(existing, list):
        raise _failure("InvalidKustomization", f"{name}: patches is not a list")
    if patches:
        kustomization["patches"] = [*existing, *patches]
    tree[name] = _encode(kustomization)


def _patch(patch: Mapping[str, Any], index: int) -> dict[str, Any]:
    text = patch.get("patch")
    where = f"patches[{index}].patch"
    if not isinstance(text, str) or not text.strip():
        raise _failure("InvalidPatch", f"{where} is empty: write a strategic merge patch or a JSON 6902 patch")
    try:
        values = [document.value for document in documents(text)]
    except YAMLProblem as problem:
        place = f"line {problem.line}, column {problem.column}"
        raise _failure("InvalidPatch", f"{where}, {place}: {problem.problem}") from None
    if not all(isinstance(value, dict | list) for value in values if value is not None):
        raise _failure(
            "InvalidPatch", f"{where} is neither an object (strategic merge) nor a list of operations (6902)"
        )
    target = {key: value for key, value in (patch.get("target") or {}).items() if value}
    return {"patch": text, "target": target} if target else {"patch": text}


def _encode(value: Any) -> bytes:
    """JSON is YAML, and has one spelling."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _digest(tree: Mapping[str, bytes], directory: str, tool: str) -> str:
    """Over length-framed parts, so that no two inputs run together. Patches are inside the kustomization by now."""
    whole = hashlib.sha256()
    names = sorted(tree)
    for part in (b"build/1", tool.encode(), directory.encode()):
        whole.update(len(part).to_bytes(8, "big") + part)
    for name in names:
        encoded = name.encode()
        whole.update(len(encoded).to_bytes(8, "big") + encoded + hashlib.sha256(tree[name]).digest())
    return "sha256:" + whole.hexdigest()


def _failure(reason: str, message: str) -> OperationError:
    return OperationError(message, reason=reason, retryable=False)
