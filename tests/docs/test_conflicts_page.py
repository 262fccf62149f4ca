"""What docs/how-to/conflicts.md shows is right: its examples are valid and supported, and its lists are the code's."""

from __future__ import annotations

import re

import pytest

from reconciler.api import decode
from reconciler.api.support import unsupported
from reconciler.api.validate import validate
from reconciler.compute.conflicts import data_held
from reconciler.ports.cluster import Ref
from tests.docs import pages

PAGE = "docs/how-to/conflicts.md"
EXAMPLES = pages.documents(PAGE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid_and_supported(example) -> None:
    meta = {"name": "release", "namespace": "shop"}
    raw = {"apiVersion": "stages.metio.wtf/v1", "kind": "StageSet", "metadata": meta, "spec": example}
    decoded = decode.stageset(raw)
    assert validate(raw) == []
    assert unsupported(decoded.spec) == []
    assert decoded.spec.stages[0].conflict_policy is not None


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "PersistentVolumeClaim"),
        ("v1", "PersistentVolume"),
        ("v1", "Namespace"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent"),
        ("example.test/v1", "Database"),
    ],
)
def test_what_needs_leave_is_listed(api_version: str, kind: str) -> None:
    listed = pages.text(PAGE).partition("`allowDataLoss: true` is needed for")[2].partition("\n\n")[0]
    assert bool(re.search(rf"\b{kind}\b", listed)) == bool(data_held(Ref(api_version, kind, "shop", "x"), {}))


def test_links_lead_somewhere() -> None:
    for target in pages.links(PAGE):
        page, _, anchor = target.partition("#")
        path = (pages.ROOT / PAGE).parent / page if page else pages.ROOT / PAGE
        assert path.exists(), target
        assert not anchor or anchor in pages.anchors(str(path.resolve().relative_to(pages.ROOT))), target
