from __future__ import annotations

from typing import Any

import pytest

from ledger.log import EVERYTHING, Selection


@pytest.mark.parametrize("selection", [EVERYTHING, Selection(after=3), Selection(until=9), Selection(after=1, until=2)])
def test_ranges_need_no_look_into_headers(selection: Selection) -> None:
    assert selection.is_range


@pytest.mark.parametrize(
    "field",
    ["stream", "stream_prefix", "run", "snapshot", "stage", "outcome", "since", "before"],
)
def test_every_other_field_does(field: str) -> None:
    fields: dict[str, Any] = {field: "x"}
    assert not Selection(**fields, after=3).is_range
    assert not Selection(types=("x",)).is_range
    wanted = {"stream", "stream_prefix", "run", "snapshot", "stage", "outcome", "since", "before"}
    assert set(Selection.__struct_fields__) == wanted | {"types", "after", "until"}
