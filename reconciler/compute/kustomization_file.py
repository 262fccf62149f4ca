"""Kustomization files as kustomize finds and reads them. Knows no fields: what they may hold is judged elsewhere."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from reconciler.compute.manifests import malformed
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def kustomization_in(directory: str, tree: Mapping[str, bytes]) -> str:
    """The name of the directory's kustomization file, empty when it has none."""
    names = (posixpath.join(directory, name) for name in KUSTOMIZATION_NAMES)
    return next((name for name in names if name in tree), "")


def load_kustomization(tree: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """The kustomization file as a mapping. Raises `OperationError` (`InvalidKustomization`) naming file and line."""
    try:
        found = [document for document in documents(decode(name, tree[name])) if document.value is not None]
    except YAMLProblem as problem:
        where = f"{name}, line {problem.line}, column {problem.column}"
        raise invalid(f"{where}: {problem.problem}") from None
    if len(found) > 1:
        raise invalid(f"{name} has {len(found)} documents: a kustomization is one")
    value = found[0].value if found else {}
    if not isinstance(value, dict):
        raise invalid(f"{name} is not a mapping: a kustomization has fields such as resources")
    return value


def decode(name: str, content: bytes) -> str:
    """The file's text. Raises `OperationError` (`MalformedManifest`) when it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise malformed(f"{name}, line {line}", "is not UTF-8 text: save it as UTF-8") from None


def invalid(message: str) -> OperationError:
    """The error for a kustomization that cannot be used as it is written."""
    return OperationError(message, reason="InvalidKustomization", retryable=False)
