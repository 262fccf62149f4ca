from __future__ import annotations

import pytest

from reconciler.api.rules import sources
from reconciler.api.types import SourceRef


def _sentences(ref: SourceRef) -> list[str]:
    return [str(problem) for problem in sources.of_ref(ref, path="ref")]


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        (SourceRef(name=""), "ref.name must not be empty"),
        (
            SourceRef(name="a", kind="HelmChart"),
            "ref.apiVersion is required for kind HelmChart, which is not a Flux source; add its group and version",
        ),
    ],
)
def test_rules_of_source_references(ref: SourceRef, sentence: str) -> None:
    assert _sentences(ref) == [sentence]


@pytest.mark.parametrize(
    "ref",
    [
        SourceRef(name="a"),
        SourceRef(name="a", kind="ExternalArtifact"),
        SourceRef(name="a", kind="GitRepository"),
        SourceRef(name="a", kind="OCIRepository"),
        SourceRef(name="a", kind="Bucket", api_version="example.com/v1"),
        SourceRef(name="a", kind="HelmChart", api_version="source.toolkit.fluxcd.io/v1"),
    ],
)
def test_what_they_allow(ref: SourceRef) -> None:
    assert _sentences(ref) == []
