from __future__ import annotations

from typing import Any

import pytest

from reconciler.adapters.operations.owned_pods import selector_of


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        (
            {
                "matchLabels": {"a": "1"},
                "matchExpressions": [
                    {"key": "t", "operator": "In", "values": ["x", "y"]},
                    {"key": "u", "operator": "NotIn", "values": ["z"]},
                    {"key": "v", "operator": "Exists"},
                    {"key": "w", "operator": "DoesNotExist"},
                    {"key": "q", "operator": "Odd"},
                ],
            },
            "a=1,t in (x,y),u notin (z),v,!w",
        ),
        ({}, ""),
        (None, ""),
        ("broken", ""),
    ],
)
def test_selectors_in_kubectls_form(selector: Any, text: str) -> None:
    assert selector_of({"spec": {"selector": selector}}) == text
