from __future__ import annotations

from reconciler.api import reference

_PAGE = reference.text()


def _row(section: str, field: str) -> list[str]:
    _, _, rest = _PAGE.partition(f"\n## {section}\n")
    for line in rest.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0] == f"`{field}`":
            return cells[1:]
    raise AssertionError(f"no row for {field} in {section}")


def test_a_field_is_told_with_type_default_and_meaning() -> None:
    assert _row("StageSetSpec", "timeout") == ["`duration`", "15m", "yes", "Bound of the verification of a stage."]
    assert _row("Stage", "name")[:3] == ["`string`", "**required**", "yes"]
    assert _row("StageSetSpec", "stages")[0] == "list of [Stage](#stage)"
    assert _row("Action", "retries")[0] == "`int32`, at least 0, at most 100"
    assert _row("PostBuild", "substitute")[0] == "map of strings"


def test_what_is_not_supported_yet_is_marked() -> None:
    assert _row("StageSetSpec", "updateWindows")[2] == "not yet"
    assert _row("StageSetSpec", "onTimeout")[2] == "`Hold`, `Rollback` not yet"
    assert _row("Window", "schedule")[2] == "not yet"
    assert _row("SourceRef", "name")[2] == "where its owner is"
    assert _row("StageSetStatus", "version")[2] == "—"
    assert _row("StageInventorySpec", "entries")[2] == "yes"


def test_links_lead_to_sections_and_no_section_comes_twice() -> None:
    headings = [line.removeprefix("## ").lower() for line in _PAGE.splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings))
    linked = {part.partition(")")[0] for part in _PAGE.split("](#")[1:]}
    assert linked <= set(headings)
