"""Every file that a kustomization can make kustomize read, checked to lie inside the tree.

Not a full schema of kustomizations: kustomize refuses unknown fields itself, and so does this module, because an
unknown field could read a file. Invariant: nothing reachable from the built directory names a URL, a repository, an
absolute path, a path outside the tree, a Helm chart, or a plugin that runs a program.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.compute.kustomization_file import invalid, kustomization_in, load_kustomization
from reconciler.compute.yamldoc import YAMLProblem, documents
from reconciler.errors import OperationError

_HELM = ("helmCharts", "helmGlobals", "helmChartInflationGenerator")
_NAMING_FIELDS = ("namePrefix", "nameSuffix", "namespace", "commonLabels", "labels", "commonAnnotations")
_VALUE_FIELDS = (
    "images",
    "imageTags",
    "replicas",
    "vars",
    "sortOptions",
    "generatorOptions",
    "buildMetadata",
    "inventory",
)
_PLAIN_FIELDS = frozenset(("apiVersion", "kind", "metadata", *_NAMING_FIELDS, *_VALUE_FIELDS))
_PATH_LISTS = ("resources", "bases", "components", "crds", "configurations")
_CONFIG_LISTS = ("generators", "transformers", "validators")
_PATH_ITEMS = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_FIELDS = _PLAIN_FIELDS | {*_HELM, *_PATH_LISTS, *_CONFIG_LISTS, *_PATH_ITEMS, *_GENERATORS}
_FIELDS |= {"patchesStrategicMerge", "openapi"}
_DIRECTORIES = ("resources", "bases", "components")
_REMOTE = re.compile(r"^(git::|gh:|github\.com[/:]|[a-z0-9_.+-]+@|[a-z][a-z0-9+.-]*:)|\?ref=", re.IGNORECASE)
_FUNCTION = ("config.kubernetes.io/function", "config.k8s.io/function")


class Reference(NamedTuple):
    """One name of a file or directory, and the field that has it."""

    field: str
    value: Any


def check_references(tree: Mapping[str, bytes], directory: str) -> None:
    """Follows every kustomization reachable from the directory.

    Raises `OperationError` (`ReferenceRefused`, `InvalidKustomization`; not retryable) naming file, field and
    reference.
    """
    checker = _Checker(tree)
    todo, seen = [directory], set()
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo.extend(checker.check(current))


class _Checker:
    """One tree; remembers its directories."""

    def __init__(self, tree: Mapping[str, bytes]) -> None:
        self._tree = tree
        self._directories = {""}
        for name in tree:
            parent = posixpath.dirname(name)
            while parent not in self._directories:
                self._directories.add(parent)
                parent = posixpath.dirname(parent)

    def check(self, directory: str) -> Iterator[str]:
        """Checks one kustomization; yields the directories that it builds on."""
        name = kustomization_in(directory, self._tree)
        content = load_kustomization(self._tree, name)
        _check_fields(name, content)
        for reference in _file_references(name, content):
            self._resolve(name, directory, reference, directories=False)
        for field in _DIRECTORIES:
            for item in _list(name, content, field):
                found = self._resolve(name, directory, Reference(field, item), directories=True)
                if found in self._directories:
                    yield self._kustomized(name, field, found)
        for field in _CONFIG_LISTS:
            for item in _list(name, content, field):
                self._check_config(name, directory, Reference(field, item))

    def _kustomized(self, name: str, field: str, found: str) -> str:
        if not kustomization_in(found, self._tree):
            raise refused(
                name, field, found or ".", "is a directory without a kustomization.yaml: add one, or name its files"
            )
        return found

    def _resolve(self, name: str, directory: str, reference: Reference, *, directories: bool) -> str:
        """The file (or directory) of the tree that a reference names."""
        value = reference.value
        if not isinstance(value, str) or not value:
            raise invalid(f"{name}: {reference.field} holds something that is not a path")
        if problem := _outside(value, directory):
            raise refused(name, reference.field, value, problem)
        found = posixpath.normpath(posixpath.join(directory, value))
        found = "" if found == "." else found
        if found in self._tree or (directories and found in self._directories):
            return found
        what = (
            "is a directory, and a file is needed" if found in self._directories else "does not exist in the artifact"
        )
        raise refused(name, reference.field, value, what)

    def _check_config(self, name: str, directory: str, reference: Reference) -> None:
        """A generator's or transformer's configuration: inline, or a file of the tree."""
        where, text = f"{name}: {reference.field}", reference.value
        if not (isinstance(text, str) and "\n" in text):
            found = self._resolve(name, directory, reference, directories=False)
            where, text = found, self._tree[found].decode("utf-8-sig", "replace")
        try:
            configs = [document.value for document in documents(text) if document.value is not None]
        except YAMLProblem as problem:
            raise invalid(f"{where}, line {problem.line}, column {problem.column}: {problem.problem}") from None
        for config in configs:
            for inner in _config_references(where, config):
                self._resolve(name, directory, inner, directories=False)


def _outside(value: str, directory: str) -> str:
    """Why a reference leaves the tree, empty when it stays inside."""
    if _REMOTE.search(value):
        return (
            "is remote, and builds reach no network: put the files into the artifact "
            "(a local directory with such a name is written with ./ in front)"
        )
    if value.startswith("/"):
        return "is an absolute path: write it relative to the kustomization"
    if "\0" in value or "\\" in value:
        return "has a character that paths of an artifact cannot have"
    joined = posixpath.normpath(posixpath.join(directory, value))
    return "leads out of the artifact: write a path inside it" if joined.split("/", 1)[0] == ".." else ""


def _check_fields(name: str, content: Mapping[str, Any]) -> None:
    for field in content:
        if field not in _FIELDS:
            raise invalid(f"{name}: {field} is not a field of a kustomization: remove it or correct its spelling")
        if field in _HELM and content[field]:
            raise refused(
                name, field, "", "inflates Helm charts, which builds do not do: render the chart into the artifact"
            )


def _file_references(name: str, content: Mapping[str, Any]) -> Iterator[Reference]:
    for field in ("crds", "configurations"):
        yield from (Reference(field, item) for item in _list(name, content, field))
    for field in _PATH_ITEMS:
        for index, item in enumerate(_list(name, content, field)):
            yield from _path_of(f"{field}[{index}]", _mapping(name, field, item))
    for index, item in enumerate(_list(name, content, "patchesStrategicMerge")):
        if not (isinstance(item, str) and "\n" in item):
            yield Reference(f"patchesStrategicMerge[{index}]", item)
    for field in _GENERATORS:
        for index, item in enumerate(_list(name, content, field)):
            yield from _generator_references(f"{field}[{index}]", _mapping(name, field, item))
    if content.get("openapi"):
        yield from _path_of("openapi", _mapping(name, "openapi", content["openapi"]))


def _path_of(field: str, item: Mapping[str, Any]) -> Iterator[Reference]:
    if item.get("path"):
        yield Reference(f"{field}.path", item["path"])


def _generator_references(field: str, item: Mapping[str, Any]) -> Iterator[Reference]:
    """`files` are `path` or `key=path` (kustomize `ParseFileSource`), `envs` and the older `env` are paths."""
    for entry in _values(item.get("files")):
        keyed = isinstance(entry, str) and not _REMOTE.search(entry)
        yield Reference(f"{field}.files", (entry.partition("=")[2] or entry) if keyed else entry)
    for entry in [*_values(item.get("envs")), *_values(item.get("env"))]:
        yield Reference(f"{field}.envs", entry)


def _config_references(where: str, raw: Any) -> Iterator[Reference]:
    """File names in the configuration of a built-in generator or transformer. Refuses every other kind of plugin."""
    config = _mapping(where, "the configuration", raw)
    kind = str(config.get("kind"))
    if config.get("apiversion") != "builtin" or kind == "HelmChartInflationGenerator":
        raise refused(where, "kind", kind, "is not built into kustomize, and builds run no plugins: use a built-in one")
    metadata = _mapping(where, "metadata", config.get("metadata") or {})
    annotations = metadata.get("annotations")
    if "configfn" in metadata or any(
        key in _FUNCTION for key in (annotations if isinstance(annotations, dict) else ())
    ):
        raise refused(where, "kind", kind, "is a function that runs a program, and builds run none")
    for index, item in enumerate(_values(config.get("replacements"))):
        yield from _path_of(f"replacements[{index}]", _mapping(where, "replacements", item))
    for field in ("path", "paths", "filepath", "targetfilepath"):
        yield from (Reference(f"{kind}.{field}", item) for item in _values(config.get(field)))
    yield from _generator_references(kind, config)


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _list(name: str, content: Mapping[str, Any], field: str) -> list[Any]:
    value = content.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(f"{name}: {field} is not a list")
    return value


def _mapping(name: str, field: str, item: Any) -> Mapping[str, Any]:
    """With keys in lower case: Go's JSON decoder, and so kustomize, takes `Files` for `files`."""
    if not isinstance(item, dict):
        raise invalid(f"{name}: {field} holds something that is not a mapping")
    return {key.lower(): value for key, value in item.items()}


def refused(name: str, field: str, value: str, problem: str) -> OperationError:
    """The error for a reference that may not be followed."""
    shown = f" {value[:200]!r}" if value else ""
    return OperationError(
        f"{name}: {field}{shown} {problem}",
        reason="ReferenceRefused",
        retryable=False,
        evidence={"file": name, "field": field, "reference": value[:200]},
    )
