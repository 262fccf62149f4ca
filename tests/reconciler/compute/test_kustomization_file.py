"""Kustomization files as they are found and read."""

from __future__ import annotations

import pytest

from reconciler.compute.kustomization_file import decode, kustomization_in, load_kustomization
from reconciler.errors import OperationError


@pytest.mark.parametrize(
    ("tree", "directory", "found"),
    [
        ({"a/kustomization.yaml": b""}, "a", "a/kustomization.yaml"),
        ({"a/kustomization.yml": b""}, "a", "a/kustomization.yml"),
        ({"Kustomization": b""}, "", "Kustomization"),
        ({"a/kustomization.yaml": b""}, "", ""),
        ({"kustomization.yaml": b"", "Kustomization": b""}, "", "kustomization.yaml"),
    ],
)
def test_where_it_is(tree, directory, found):
    assert kustomization_in(directory, tree) == found


def test_what_is_in_it():
    assert load_kustomization({"k": b"resources: [a.yaml]\n"}, "k") == {"resources": ["a.yaml"]}
    assert load_kustomization({"k": b"\xef\xbb\xbf---\n# nothing\n"}, "k") == {}


@pytest.mark.parametrize(
    ("content", "words", "reason"),
    [
        (b"a: [", r"k, line \d+, column \d+: ", "InvalidKustomization"),
        (b"a: 1\n---\nb: 2\n", "k has 2 documents", "InvalidKustomization"),
        (b"- a\n", "k is not a mapping", "InvalidKustomization"),
        (b"a: 1\nb: \xff\n", "k, line 2.*not UTF-8", "MalformedManifest"),
    ],
)
def test_what_is_wrong_with_it(content, words, reason):
    with pytest.raises(OperationError, match=words) as caught:
        load_kustomization({"k": content}, "k")
    assert (caught.value.reason, caught.value.retryable) == (reason, False)


def test_text_is_utf_8():
    assert decode("k", "ü".encode()) == "ü"
