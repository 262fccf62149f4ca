"""What docs/how-to/drift.md shows is right: its examples are valid and supported, its figures are the code's."""

from __future__ import annotations

import pytest

from reconciler.adapters.drift import places, sentry
from reconciler.api import decode
from reconciler.api.support import unsupported
from reconciler.api.validate import validate
from reconciler.folds.drift import FLAPPING_MS, FLAPPING_TIMES
from tests.docs import pages

PAGE = "docs/how-to/drift.md"
WORDS = {5: "five", 10: "ten"}


@pytest.mark.parametrize("example", pages.documents(PAGE))
def test_an_example_is_valid_and_supported(example) -> None:
    stages = example.get("stages") or [{"name": "app", "sourceRef": {"name": "app"}, **example}]
    meta = {"name": "release", "namespace": "shop"}
    raw = {"apiVersion": "stages.metio.wtf/v1", "kind": "StageSet", "metadata": meta, "spec": {"stages": stages}}
    assert validate(raw) == []
    assert unsupported(decode.stageset(raw).spec) == []
    assert decode.stageset(raw).spec.stages[0].drift_detection is not None


def test_the_figures_are_those_of_the_code() -> None:
    text = " ".join(pages.text(PAGE).split())
    assert f"changes {WORDS[FLAPPING_TIMES]} times within {WORDS[FLAPPING_MS // 60_000]} minutes" in text
    assert f"beyond {places.PLACES_MAX} such watches" in text
    assert f"in the end every {WORDS[int(sentry.PAUSE_MAX_S) // 60]} minutes" in text


def test_links_lead_somewhere() -> None:
    for target in pages.links(PAGE):
        assert (pages.ROOT / PAGE).parent.joinpath(target.partition("#")[0]).exists(), target
