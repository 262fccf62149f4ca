"""Preparing a build: the path, generation, patches, origin annotations, digests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.compute.kustomization import BuildTree, prepare
from reconciler.errors import OperationError

CM = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
TOOL = "kustomize/v5.8.1"


def build(files: dict[str, bytes], path: str = "", patches: list[dict[str, Any]] | None = None) -> BuildTree:
    return prepare(files, path=path, patches=patches or [], tool=TOOL)


def generated(tree: BuildTree) -> list[str]:
    name = f"{tree.directory}/kustomization.yaml".lstrip("/")
    resources: list[str] = json.loads(tree.files[name])["resources"]
    return resources


def refusal(files: dict[str, bytes], path: str = "", patches: list[dict[str, Any]] | None = None) -> OperationError:
    with pytest.raises(OperationError) as caught:
        build(files, path, patches)
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize("path", ["", ".", "./", "/", "d/.."])
def test_root(path: str) -> None:
    assert build({"a.yaml": CM}, path).directory == ""


@pytest.mark.parametrize("path", ["d/e", "./d/e/", "/d/e", "d/../d/e", "d//e"])
def test_cleaned_path(path: str) -> None:
    assert build({"d/e/a.yaml": CM}, path).directory == "d/e"


@pytest.mark.parametrize(
    ("path", "reason", "said"),
    [
        ("../x", "PathInvalid", 'path "../x" leads out'),
        ("d/../../x", "PathInvalid", "leads out"),
        ("nope", "PathInvalid", "does not exist in the artifact: its directories are d, empty"),
        ("d/a.yaml", "PathInvalid", "is a file"),
        ("empty", "NoManifests", 'path "empty" has no .yaml'),
    ],
)
def test_refused_paths(path: str, reason: str, said: str) -> None:
    error = refusal({"d/a.yaml": CM, "empty/readme.md": b""}, path)
    assert error.reason == reason
    assert said in error.message


def test_artifact_without_manifests() -> None:
    assert "the artifact's root has no .yaml" in refusal({"readme.md": b""}).message
    assert build({"a.JSON": b"{}"}).files["kustomization.yaml"]


def test_generation_collects_manifests_and_stops_at_kustomizations() -> None:
    files = {
        "d/a.yaml": CM,
        "d/z/b.yml": CM,
        "d/B.YAML": b"not collected: [",
        "d/sub/kustomization.yml": b"resources: [x.yaml, deep/y.yaml]\n",
        "d/sub/x.yaml": CM,
        "d/sub/deep/y.yaml": CM,
        "d/sub/deep/values.yaml": b"not: an object",
        "other/c.yaml": CM,
        "d/readme.md": b"",
    }
    assert generated(build(files, "d")) == ["./a.yaml", "./sub", "./z/b.yml"]


def test_json_directly_in_the_directory_becomes_yaml() -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j"}}).encode()
    tree = build({"j.json": text, "twin.json": b"{", "twin.yaml": CM, "sub/k.json": b"{"})
    assert generated(tree) == ["./j.yaml", "./twin.yaml"]
    assert "j.json" not in tree.files
    assert tree.files["j.yaml"] == text
    kept = build({"j.json": text, "kustomization.yaml": b"resources: [j.json]"})
    assert "j.json" in kept.files


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "a.yaml, line 2, column 1"),
        (CM + b"---\nreplicas: 3\n", "a.yaml, document 2 (line 6): apiVersion is missing"),
        (b"\xff\xfe", "a.yaml, line 1: is not UTF-8"),
    ],
)
def test_files_of_a_generated_kustomization_must_be_manifests(content: bytes, said: str) -> None:
    error = refusal({"d/a.yaml": content + b"\n" if content.endswith(b"[") else content}, "d")
    assert error.reason == "MalformedManifest"
    assert f"malformed manifest: d/{said}" in error.message


def test_given_kustomization_stays_byte_for_byte() -> None:
    content = b"# mine\nresources:\n- a.yaml\n"
    assert build({"a.yaml": CM, "kustomization.yml": content}).files["kustomization.yml"] == content


def test_patches_are_appended() -> None:
    given = b"resources: [a.yaml]\npatches:\n- path: p.yaml\n"
    patch = {"patch": "- op: remove\n  path: /data", "target": {"kind": "ConfigMap", "name": ""}}
    tree = build(
        {"a.yaml": CM, "p.yaml": CM, "Kustomization": given}, patches=[patch, {"patch": CM.decode(), "target": {}}]
    )
    assert json.loads(tree.files["Kustomization"]) == {
        "resources": ["a.yaml"],
        "patches": [
            {"path": "p.yaml"},
            {"patch": patch["patch"], "target": {"kind": "ConfigMap"}},
            {"patch": CM.decode()},
        ],
    }


@pytest.mark.parametrize(
    ("patch", "said"),
    [("", "patches[1].patch is empty"), ("a: b: c", "patches[1].patch, line 1"), ("words", "neither an object")],
)
def test_invalid_patches(patch: str, said: str) -> None:
    error = refusal({"a.yaml": CM}, patches=[{"patch": "a: b"}, {"patch": patch}])
    assert error.reason == "InvalidPatch"
    assert said in error.message


def test_origin_annotations_without_resources() -> None:
    tree = build(
        {"kustomization.yaml": b"configMapGenerator: [{name: a, literals: [k=v]}]\nbuildMetadata: [managedByLabel]"}
    )
    assert json.loads(tree.files["kustomization.yaml"])["buildMetadata"] == ["managedByLabel", "originAnnotations"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: b: c", "kustomization.yaml, line 1"),
        (b"- a", "is not a mapping"),
        (b"resources: []\n---\nresources: []", "has 2 documents"),
        (b"resources: a.yaml", "resources is not a list"),
        (b"resource: [a.yaml]", "resource is not a field"),
        (b"patches: [x]", "not a mapping"),
        (b"resources: [{a: b}]", "not a path"),
    ],
)
def test_invalid_kustomizations(content: bytes, said: str) -> None:
    error = refusal({"kustomization.yaml": content})
    assert error.reason == "InvalidKustomization"
    assert said in error.message


def test_digest_covers_all_inputs() -> None:
    files = {"a.yaml": CM, "d/b.yaml": CM}
    patch = {"patch": "a: b"}
    digests = {
        build(files).digest,
        build(files, "d").digest,
        build(files, patches=[patch]).digest,
        build({**files, "c.txt": b""}).digest,
        build({**files, "d/b.yaml": CM + b"\n"}).digest,
        prepare(files, tool="kustomize/v5.9.0").digest,
    }
    assert len(digests) == 6
    given = {f"{name}/kustomization.yaml": b"resources: [../a.yaml]" for name in ("x", "y")} | files
    assert build(given, "x").digest != build(given, "y").digest
    assert build(dict(reversed(files.items())), "./").digest == build(files).digest
