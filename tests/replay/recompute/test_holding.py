from __future__ import annotations

import pytest

from replay.recompute.holding import hold


@pytest.mark.parametrize(
    ("recorded", "computed", "field"),
    [
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, "body/a/1/b"),
        ({"a": 1}, {}, "body/a"),
        ([1, 2], [1], "body"),
        ("1", 1, "body"),
        (True, 1, "body"),
        ("secret:Secret/a#1", "plain", "body"),
        ("plain", "secret:Secret/a#1", "body"),
        ("before [redacted] after", "before x behind", "body"),
    ],
)
def test_the_first_difference_is_named(recorded: object, computed: object, field: str) -> None:
    held = hold(recorded, computed, "body")
    assert held.first is not None
    assert held.first.field == field


@pytest.mark.parametrize(
    ("recorded", "computed", "assumed"),
    [
        ({"a": [1, "x"]}, {"a": [1, "x"]}, False),
        ({"a": "secret:Secret/shop/a.b@1#00"}, {"a": "secret:Secret/shop/a.b@1#ff"}, True),
        ("it said [redacted], twice [redacted]", "it said a, twice b", True),
        ("it said ***", "it said withheld0001", True),
    ],
)
def test_tokens_and_masks_are_taken_for_equal_and_that_is_told(
    recorded: object, computed: object, assumed: bool
) -> None:
    assert hold(recorded, computed, "body") == (None, assumed)
