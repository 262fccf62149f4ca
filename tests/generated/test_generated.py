"""Docs and manifests that are generated must be what the code says."""

from __future__ import annotations

import pytest

from tests.generated.pages import ROOT, files

PAGES = files()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_generated_file_is_current(path):
    assert path.exists(), f"{path.name} is missing: run 'make docs'"
    assert path.read_text() == PAGES[path], f"{path.name} is not what the code says: run 'make docs'"


def test_every_event_is_on_the_page_with_its_fields():
    from ledger.events import BY_TAG

    page = PAGES[ROOT / "docs/events.md"]
    for tag, kind in BY_TAG.items():
        assert f"### `{tag}`" in page
        for field in kind.__struct_fields__:
            assert f"| `{field}` |" in page
