from __future__ import annotations

from typing import Any

import pytest

from replay import rendering
from replay.rendering import HIDDEN


def _obj(kind: str = "ConfigMap", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "shop"}, **fields}


def test_names() -> None:
    assert rendering.named(_obj()) == "ConfigMap shop/a"
    assert rendering.named({"kind": "Namespace", "metadata": {"name": "x"}}) == "Namespace x"
    assert rendering.named({"kind": 3, "metadata": []}) == "3 ?"
    assert rendering.identity({**_obj("Deployment"), "apiVersion": "apps/v1"}) == "Deployment shop/a apps"


def test_values_of_secrets_stay_tokens_and_plain_ones_are_hidden() -> None:
    token = "secret:Secret/shop/a.key#abc"
    found = rendering.text(_obj("Secret", data={"key": token, "other": "cGxhaW4="}, stringData={"n": 5, "none": None}))
    assert f"  key: {token}" in found
    assert f"  other: {HIDDEN}" in found
    assert f"  n: {HIDDEN}" in found
    assert "cGxhaW4=" not in "\n".join(found)


def test_a_diff_has_no_file_names() -> None:
    before, after = rendering.text(_obj(data={"a": "1", "b": "x"})), rendering.text(_obj(data={"a": "2", "b": "x"}))
    found = rendering.diff(before, after)
    assert found[0].startswith("@@")
    assert [line for line in found if line[0] in "+-"] == ["-  a: '1'", "+  a: '2'"]
    assert rendering.diff(before, before) == ()


def test_an_object_that_begins_with_dashes_is_not_taken_for_a_file_name() -> None:
    assert rendering.diff(("-- a",), ("++ a",)) == ("@@ -1 +1 @@", "--- a", "+++ a")


@pytest.mark.parametrize("value", ["\ud800", "\x00\x1b[31m", "a: b\n---\nc", "\u202e"])
def test_any_text_can_be_shown(value: str) -> None:
    assert rendering.text(_obj(data={"a": value}))


def test_what_is_nested_too_deep_or_too_long_is_cut() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}
    assert rendering.text(_obj(spec=deep)) == ("(nested too deep to be shown)",)
    found = rendering.text(_obj(data={f"k{n:05}": "v" for n in range(3_000)}))
    assert len(found) == rendering.LINES_MAX + 1
    assert found[-1].endswith(" more lines")
