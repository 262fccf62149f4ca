"""Rendered text to objects: Lists, drops, required fields, duplicates, caps, digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compute.manifests import ManifestLimits, object_digest, parse, reference, set_digest
from reconciler.errors import OperationError


def cm(name: str, **metadata: object) -> str:
    extra = "".join(f"  {key}: {value}\n" for key, value in metadata.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{extra}"


def refusal(text: str, limits: ManifestLimits | None = None) -> OperationError:
    with pytest.raises(OperationError) as caught:
        parse(text, limits=limits)
    assert not caught.value.retryable
    return caught.value


def test_documents_and_lists_in_order() -> None:
    text = (
        cm("a")
        + "---\n---\n"
        + (
            "apiVersion: v1\nkind: List\nitems:\n"
            "- {apiVersion: v1, kind: ConfigMapList, items: [{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}]}\n"
            "- {apiVersion: v1, kind: Secret, metadata: {name: c}}\n---\n"
        )
    )
    assert [reference(obj) for obj in parse(text)] == ["ConfigMap/a", "ConfigMap/b", "Secret/c"]
    assert parse("apiVersion: v1\nkind: List\nitems:\n") == []
    assert parse("") == []


def test_a_named_kind_that_ends_in_list_is_an_object() -> None:
    assert parse("apiVersion: x/v1\nkind: AllowList\nmetadata: {name: a}\nitems: [1]")[0]["items"] == [1]


def test_dropped() -> None:
    text = (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: k}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: _placeholder}\n---\n"
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux, namespace: x}\n"
    )
    assert [reference(obj) for obj in parse(text)] == ["Kustomization/x/flux"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: X\nmetadata: {name: a}", "document 1 (line 3): apiVersion is missing"),
        ("apiVersion: v1\nmetadata: {name: a}", "kind is missing"),
        ("apiVersion: v1\nkind: X", "a X: metadata.name is missing"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: ''}", "metadata.name is missing"),
        ("apiVersion: v1\nkind: X\nmetadata: {generateName: a-}", "metadata.name is missing"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 5}", "metadata.name is a number, not a string"),
        ("apiVersion: 1\nkind: X\nmetadata: {name: a}", "apiVersion is a number"),
        ("apiVersion: v1\nkind: X\nmetadata: [a]", "metadata is a list"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a, namespace: 1}", "metadata.namespace is a number"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a, labels: {v: 1.5}}", "metadata.labels['v'] is a number"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a, annotations: x}", "metadata.annotations is a string"),
        ("apiVersion: v1\nkind: List\nitems: {a: 1}", "items is a mapping"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: X}]", "items[0]: apiVersion is missing"),
        ("- 1", "is a list, not an object"),
        ("just text", "is a string"),
        ("a: [1\nb: 2]: x", "line 4, column 2: did not find expected ',' or ']'"),
    ],
)
def test_malformed(text: str, said: str) -> None:
    error = refusal("# first\n---\n" + text)
    assert error.reason == "MalformedManifest"
    assert error.message.startswith("malformed manifest: ")
    assert said in error.message


def test_duplicates_name_both_places() -> None:
    error = refusal(cm("a", namespace="ns") + "---\n" + cm("b") + "---\n" + cm("a", namespace="ns"))
    assert error.reason == "DuplicateObject"
    assert "ConfigMap/ns/a is described twice, in documents 1 (line 1) and 3 (line 12)" in error.message
    assert len(parse(cm("a") + "---\n" + cm("a", namespace="ns"))) == 2
    newer = "apiVersion: apps/v1\nkind: D\nmetadata: {name: a}\n---\napiVersion: apps/v2\nkind: D\nmetadata: {name: a}"
    assert refusal(newer).reason == "DuplicateObject"


def test_caps() -> None:
    text = cm("a") + "---\n" + cm("b")
    assert "2 objects, more than 1" in refusal(text, ManifestLimits(objects_max=1)).message
    assert "more than 10 B" in refusal(text, ManifestLimits(text_bytes_max=10)).message
    assert "ConfigMap/a has" in refusal(text, ManifestLimits(object_bytes_max=10)).message


def test_digests() -> None:
    one, two = parse(cm("a") + "---\n" + cm("b"))
    assert object_digest(one) == object_digest(dict(reversed(one.items())))
    assert object_digest(one) != object_digest(two)
    assert set_digest([one, two]) == set_digest([two, one]) != set_digest([one])
    assert object_digest(one).startswith("sha256:")


@given(st.text(alphabet="apiVersonkdmt: -\n{}[]&*'\"|>#1\t", max_size=80))
def test_any_text_ends_in_objects_or_an_error(text: str) -> None:
    reason = "MalformedManifest"
    try:
        parse(text)
    except OperationError as error:
        reason = error.reason
    assert reason == "MalformedManifest"
